#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// y[a, i, b] = x[a, n - 1 - i, b],  x, y [A, n, B] contiguous, of one dtype (any), not empty.
namespace cpu {
void flip(const Tensor& x, const Tensor& y);
}
namespace cuda {
void flip(const Tensor& x, const Tensor& y);
}
inline constexpr Kernel kFlip{"flip", cpu::flip, IF_CUDA(cuda::flip)};

}  // namespace matmix
