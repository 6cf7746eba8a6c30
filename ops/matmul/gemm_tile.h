#pragma once

#include "ops/matmul/gemm_kernels.h"

namespace matmix::cpu {

/// One operand's part of a tile, where it lies.
template <class T>
struct TileOperand {
  const T* data;
  MatrixLayout layout;

  /// The part that begins at element (i, j).
  TileOperand at(int64_t i, int64_t j) const {
    return {data + (layout.by_columns ? i + j * layout.ld : i * layout.ld + j), layout};
  }
};

/// c = alpha a b + beta c on one thread.  a [M, K], b [K, N], c [M, N] with rows ldc apart. T: float or double, one
/// translation unit each, because Eigen's product is slow to compile.
template <class T>
void multiply_tile(int64_t M, int64_t N, int64_t K, TileOperand<T> a, TileOperand<T> b, T* c, int64_t ldc, T alpha,
                   T beta);

}  // namespace matmix::cpu
