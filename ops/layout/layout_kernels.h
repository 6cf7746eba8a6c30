#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// y[a, i, b] = x[a, n - 1 - i, b],  x, y [A, n, B] contiguous, of one dtype (any), not empty.
using FlipEntry = void(const Tensor& x, const Tensor& y);
namespace cpu {
FlipEntry flip;
}  // namespace cpu
namespace cuda {
FlipEntry flip;
}  // namespace cuda
inline constexpr Kernel kFlip{"flip", cpu::flip, IF_CUDA(cuda::flip)};

}  // namespace matmix
