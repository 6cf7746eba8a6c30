#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// The raw product behind matmul and linear:  c = alpha a b + beta c  over the last two axes, batched over the leading
/// ones (a [..., M, K], b [..., K, N], c [..., M, N] with equal leading axes; in a and b a stride of 0 there
/// broadcasts). Each matrix must have dense rows or dense columns (a transposed view is fine: transposition is in the
/// strides). a and b of one dtype; c F64 for F64, F32 for F32, BF16 or F32 for BF16. Fixed order of summation. With
/// beta = 0 c is not read; with K = 0 the product is 0. Bumps c's version.
void gemm(const Tensor& a, const Tensor& b, const Tensor& c, double alpha = 1, double beta = 0);

/// True if every matrix of x [..., rows, columns] has dense rows or dense columns.
bool has_dense_matrices(const Tensor& x);
/// True if gemm can write into c what operands of dtype `operands` give.
bool gemm_writes(DType operands, const Tensor& c);

}  // namespace matmix
