#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// Everything contiguous and not empty; all sums in double. `reverse` is the mirror image of every axis summed over.
///   cumsum        y[a, i, b] = sum_{k <= i} x[a, k, b] (k < i if exclusive);  x, y [A, n, B], y of x's dtype or F64
///   segsum        y[r, i, j] = sum_{k = j+1..i} x[r, k] for i >= j, -infinity above;  x [R, L], y [R, L, L], one dtype
///   triangle_sum  y[r, k] = sum_{i >= k} x[r, i, k];  x F64 [R, L, L], y [R, L]
namespace cpu {
void cumsum(const Tensor& x, const Tensor& y, bool reverse, bool exclusive);
void segsum(const Tensor& x, const Tensor& y, bool reverse);
void triangle_sum(const Tensor& x, const Tensor& y, bool reverse);
}  // namespace cpu
namespace cuda {
void cumsum(const Tensor& x, const Tensor& y, bool reverse, bool exclusive);
void segsum(const Tensor& x, const Tensor& y, bool reverse);
void triangle_sum(const Tensor& x, const Tensor& y, bool reverse);
}  // namespace cuda
inline constexpr Kernel kCumsum{"cumsum", cpu::cumsum, IF_CUDA(cuda::cumsum)};
inline constexpr Kernel kSegsum{"segsum", cpu::segsum, IF_CUDA(cuda::segsum)};
inline constexpr Kernel kTriangleSum{"triangle_sum", cpu::triangle_sum, IF_CUDA(cuda::triangle_sum)};

}  // namespace matmix
