#pragma once

#include <optional>

#include "autograd/var.h"

namespace matmix {

enum class NormKind { kRms, kLayer };
/// Where the gate multiplies: norm(x) w silu(gate), or norm(x silu(gate)) w.
enum class GateOrder { kAfterNorm, kBeforeNorm };

struct NormOptions {
  NormKind kind = NormKind::kRms;
  Var bias = {};      ///< [D], added after the weight and before a gate after the norm
  Var residual = {};  ///< [..., D]: then r = residual + x is normalised and returned too, in residual's dtype
  Var gate = {};      ///< [..., D], strided rows allowed
  GateOrder order = GateOrder::kAfterNorm;
  double eps = 1e-5;
  std::optional<DType> out_dtype = {};  ///< of y; default: x's
};

struct NormResult {
  Var y;         ///< [..., D]
  Var residual;  ///< r, only if a residual was given
};

/// One pass over rows u of D values (u = x, residual + x, or x silu(gate)):
///   kRms:   y = u / sqrt(mean(u^2) + eps) * weight
///   kLayer: y = (u - mean u) / sqrt(var u + eps) * weight + bias
/// then, for kAfterNorm with a gate, y *= silu(gate).   x [..., D] dense rows; weight [D]; statistics in Accumulator<T>
/// (F32 for BF16, F64 for F64), right for every row of finite numbers: one whose squares leave the range is taken times a
/// power of two. residual and a gate before the norm exclude each other (Error). D must be at least 1.
/// Law: equal to the composition of its parts.
/// Gradient: of x, weight, bias, residual, gate; also takes d(residual out). Keeps u (or x and gate) and the row
/// statistics. Cost: reads each input once, writes each output once. Source: Zhang & Sennrich 2019 (RMSNorm); Ba et al.
/// 2016; the gate as in Mamba-2 (arXiv 2405.21060).
NormResult norm(const Var& x, const Var& weight, const NormOptions& options = {});

}  // namespace matmix
