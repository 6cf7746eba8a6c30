#pragma once

#include "autograd/var.h"
#include "tensor/random.h"

namespace matmix {

/// y_i = x_i / (1 - p) where random_bits({seed, stream, step[0]}, i) as uniform >= p, else 0; i is the row-major index.
///   x     any shape, floating, strides allowed       p in [0, 1); 0 returns x itself
///   step  I64 [1] on x's device, read when the kernel runs (StepState), so a captured step draws new bits each time
/// Gradient: the same mask, computed again: nothing is kept. Same mask on every device.
/// Source: Srivastava et al. 2014 (inverted form).
Var dropout(const Var& x, double p, uint64_t seed, uint64_t stream, const Tensor& step);

}  // namespace matmix
