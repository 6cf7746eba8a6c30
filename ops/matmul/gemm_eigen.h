#pragma once

#include <Eigen/Core>

#include "ops/matmul/gemm_tile.h"

namespace matmix::cpu {
namespace detail {

template <class T, int kOrder>
using ConstMap =
    Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, kOrder>, Eigen::Unaligned, Eigen::OuterStride<>>;

/// Calls f with the operand as an Eigen map of its storage order.
template <class T, class F>
void with_map(const TileOperand<T>& x, int64_t rows, int64_t columns, F&& f) {
  const Eigen::OuterStride<> ld(x.layout.ld);
  if (x.layout.by_columns)
    f(ConstMap<T, Eigen::ColMajor>(x.data, rows, columns, ld));
  else
    f(ConstMap<T, Eigen::RowMajor>(x.data, rows, columns, ld));
}

}  // namespace detail

template <class T>
void multiply_tile(int64_t M, int64_t N, int64_t K, TileOperand<T> a, TileOperand<T> b, T* c_data, int64_t ldc, T alpha,
                   T beta) {
  using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<RowMajor, Eigen::Unaligned, Eigen::OuterStride<>> c(c_data, M, N, Eigen::OuterStride<>(ldc));
  if (beta == 0)
    c.setZero();
  else if (beta != 1)
    c *= beta;
  detail::with_map(a, M, K, [&](const auto& a_map) {
    detail::with_map(b, K, N, [&](const auto& b_map) { c.noalias() += alpha * (a_map * b_map); });
  });
}

}  // namespace matmix::cpu
