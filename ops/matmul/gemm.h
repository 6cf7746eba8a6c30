#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// The raw product behind matmul and linear:  c = alpha op(a) op(b) + beta c  over the last two axes, batched over
/// the leading ones (a, b, c [..., rows, columns] with equal leading axes; a stride of 0 there broadcasts).
/// Each matrix must have dense rows or dense columns (a transposed view is fine: transposition is in the strides).
/// a and b of one dtype; c F64 for F64, F32 for F32, BF16 or F32 for BF16. Fixed order of summation.
/// Bumps c's version.
void gemm(const Tensor& a, const Tensor& b, const Tensor& c, double alpha = 1, double beta = 0);

}  // namespace matmix
