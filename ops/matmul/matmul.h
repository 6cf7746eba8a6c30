#pragma once

#include <optional>

#include "autograd/var.h"

namespace matmix {

struct MatmulOptions {
  bool transpose_a = false;  ///< use a^T over the last two axes
  bool transpose_b = false;
  double scale = 1;                     ///< of the product
  std::optional<DType> out_dtype = {};  ///< default: the wider of a's and b's
};

/// C = scale op(A) op(B), batched.   a [..., M, K] (or [..., K, M] transposed), b [..., K, N]; leading axes broadcast.
/// Returns [..., M, N]. Any strides (copied only when neither rows nor columns are dense). Sums over K run in F64 for
/// F64, else in F32 (TF32 operands only where Tf32Scope allows). M, N, K and the batch may be 0; K = 0 gives zeros.
/// Throws Error on rank < 2, unequal K, or dtypes that are not floating; a and b must have one dtype.
/// Gradient: dA = scale dC op(B)^T, dB = scale op(A)^T dC, summed over broadcast axes. Keeps a and b.
/// Cost: 2 M N K flops a matrix. CPU: Eigen's GEMM, single-threaded on fixed tiles of M, N and batch; never splits K.
/// CUDA: cuBLASLt.
Var matmul(const Var& a, const Var& b, const MatmulOptions& options = {});

}  // namespace matmix
