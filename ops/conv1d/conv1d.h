#pragma once

#include <optional>

#include "autograd/var.h"
#include "ops/elementwise/activation.h"
#include "tensor/runs.h"

namespace matmix {

struct Conv1dOptions {
  Var bias = {};  ///< [C] or undefined
  Activation act = Activation::kNone;
  int64_t act_channels = -1;  ///< act applies to the first so many channels; -1: all
  bool causal = false;        ///< taps reach back only; else centred (needs an odd width)
  std::optional<Runs> runs = {};
};

/// Depthwise convolution along the sequence:  u[b, i, c] = bias[c] + sum_k weight[c, k] x[b, i + k - left, c],
/// left = width - 1 if causal, else (width - 1) / 2; tokens outside the run of i (or of [0, L)) count as 0.
/// y = act(u) on the first act_channels channels, u on the others; exactly 0 at padding.
///   x       [B, L, C], dense rows, any row stride (a part of an in-projection)
///   weight  [C, width], width >= 1 (PyTorch's [C, 1, width] reshaped: cross-correlation, no flip)
/// Returns [B, L, C], x's dtype. Throws Error on an even centred width or shapes that do not fit.
/// Gradient: du = dy act'(u); dx, dweight, dbias in fixed order; padding receives exactly 0. Keeps x (and recomputes
/// u). Cost: 2 B L C width flops; reads x once, writes y once: bound by memory.
Var conv1d(const Var& x, const Var& weight, const Conv1dOptions& options = {});

}  // namespace matmix
