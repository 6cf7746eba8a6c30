#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// How the elements of a matrix lie: (i, j) at i * ld + j, or at i + j * ld if by_columns.
struct MatrixLayout {
  int64_t ld = 0;
  bool by_columns = false;
};

/// A gemm made ready for BLAS:  c = alpha a b + beta c  for each matrix of the batch, c by rows, sizes at least 1.
/// The leading axes are merged as far as all three tensors' strides allow.
struct GemmProblem {
  Tensor a, b, c;
  int64_t M = 0, N = 0, K = 0;
  MatrixLayout a_layout, b_layout;
  int64_t ldc = 0;
  Shape batch;                   ///< merged leading axes
  Shape a_step, b_step, c_step;  ///< elements from one matrix to the next along each of them
  double alpha = 1, beta = 0;
};

/// Where the matrices number `index` (row-major over the batch) begin, from the first ones.
struct MatrixOffsets {
  int64_t a = 0, b = 0, c = 0;
};
inline MatrixOffsets matrix_offsets(const GemmProblem& p, int64_t index) {
  MatrixOffsets at;
  for (int axis = p.batch.rank() - 1; axis >= 0; --axis) {
    const int64_t rest = axis > 0 ? index / p.batch[axis] : 0;
    const int64_t i = index - rest * p.batch[axis];
    at.a += i * p.a_step[axis];
    at.b += i * p.b_step[axis];
    at.c += i * p.c_step[axis];
    index = rest;
  }
  return at;
}

/// Without the repetitions of matrices that are broadcast: what a copy should copy, to be expanded again.
Tensor one_of_each(const Tensor& x);

using GemmEntry = void(const GemmProblem& problem);
namespace cpu {
GemmEntry gemm;
}  // namespace cpu
namespace cuda {
GemmEntry gemm;
}  // namespace cuda

inline constexpr Kernel kGemm{"gemm", cpu::gemm, IF_CUDA(cuda::gemm)};

}  // namespace matmix
