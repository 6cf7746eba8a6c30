#pragma once

#include <optional>

#include "autograd/var.h"
#include "ops/elementwise/activation.h"

namespace matmix {

struct LinearOptions {
  Var bias = {};  ///< [N] or undefined
  Activation act = Activation::kNone;
  std::optional<DType> out_dtype = {};  ///< default: x's
};

/// y = act(x W^T + bias).   x [..., K], any leading axes, dense rows; W [N, K]; bias [N].   Returns [..., N].
/// x and W have one dtype; the bias may be wider. Law: equals activate(matmul(x, W^T) + bias).
/// Throws Error if K differs or the dtypes do.
/// Gradient: du = dy act'(u); dx = du W; dW += du^T x (straight into the parameter's gradient, in its dtype); dbias =
/// column sums of du. Keeps x, and u = x W^T + bias only if act needs it. Cost: 2 rows N K flops.
Var linear(const Var& x, const Var& weight, const LinearOptions& options = {});

}  // namespace matmix
