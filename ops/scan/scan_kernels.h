#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// Everything contiguous and not empty; all sums in double. `reverse` is the mirror image of every axis summed over.
///   cumsum        y[a, i, b] = sum_{k <= i} x[a, k, b] (k < i if exclusive);  x, y [A, n, B], y of x's dtype or F64
///   segsum        y[r, i, j] = sum_{k = j+1..i} x[r, k] for i >= j, -infinity above;  x [R, L], y [R, L, L], one dtype
///   triangle_sum  y[r, k] = sum_{i >= k} x[r, i, k];  x F64 [R, L, L], y [R, L]
using CumsumEntry = void(const Tensor& x, const Tensor& y, bool reverse, bool exclusive);
using SegsumEntry = void(const Tensor& x, const Tensor& y, bool reverse);
using TriangleSumEntry = void(const Tensor& x, const Tensor& y, bool reverse);
namespace cpu {
CumsumEntry cumsum;
SegsumEntry segsum;
TriangleSumEntry triangle_sum;
}  // namespace cpu
namespace cuda {
CumsumEntry cumsum;
SegsumEntry segsum;
TriangleSumEntry triangle_sum;
}  // namespace cuda
inline constexpr Kernel kCumsum{"cumsum", cpu::cumsum, IF_CUDA(cuda::cumsum)};
inline constexpr Kernel kSegsum{"segsum", cpu::segsum, IF_CUDA(cuda::segsum)};
inline constexpr Kernel kTriangleSum{"triangle_sum", cpu::triangle_sum, IF_CUDA(cuda::triangle_sum)};

}  // namespace matmix
