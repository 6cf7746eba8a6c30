#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// Whether element i of value x comes before element j of value y: the larger one, NaN above all, then the lower index.
template <class A>
HOST_DEVICE bool ranks_before(A x, int64_t i, A y, int64_t j) {
  const bool x_nan = x != x, y_nan = y != y;
  if (x_nan != y_nan) return x_nan;
  return x > y || (!(x < y) && i < j);
}

/// indices[r, :] = where the k first of row r stand, in their order.
///   x [R, n] floating, indices [R, k] I64; contiguous; R > 0, 0 < k <= n
using TopkEntry = void(const Tensor& x, const Tensor& indices);
namespace cpu {
TopkEntry topk;
}  // namespace cpu
namespace cuda {
TopkEntry topk;
}  // namespace cuda
inline constexpr Kernel kTopk{"topk", cpu::topk, IF_CUDA(cuda::topk)};

}  // namespace matmix
