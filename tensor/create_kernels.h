#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// Every element of x, contiguous, becomes value (representable in x's dtype).
namespace cpu {
void fill(const Tensor& x, double value);
}
namespace cuda {
void fill(const Tensor& x, double value);
}
inline constexpr Kernel kFill{"fill", cpu::fill, IF_CUDA(cuda::fill)};

}  // namespace matmix
