#pragma once

#include <Eigen/Core>

#include "ops/matmul/gemm_tile.h"

// Small matrices of one thread, and their products.
namespace matmix::cpu {

template <class A>
using TileMatrix = Eigen::Matrix<A, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// An Eigen matrix, block or transpose as multiply_tile takes it.
template <class A, class M>
TileOperand<A> tile_operand(const M& m) {
  return {m.data(), {m.outerStride(), !M::IsRowMajor}};
}

/// c = a b + keep c.
template <class X, class Y, class Z>
void multiply_matrices(const X& a, const Y& b, Z&& c, typename X::Scalar keep = 0) {
  using A = typename X::Scalar;
  multiply_tile<A>(a.rows(), b.cols(), a.cols(), tile_operand<A>(a), tile_operand<A>(b), c.data(), c.outerStride(), 1,
                   keep);
}

}  // namespace matmix::cpu
