#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// fill: every element of x, contiguous, becomes value (representable in x's dtype).
/// count: element i of x [n], contiguous, becomes i.
using FillEntry = void(const Tensor& x, double value);
using ArangeEntry = void(const Tensor& x);
namespace cpu {
FillEntry fill;
ArangeEntry arange;
}  // namespace cpu
namespace cuda {
FillEntry fill;
ArangeEntry arange;
}  // namespace cuda
inline constexpr Kernel kFill{"fill", cpu::fill, IF_CUDA(cuda::fill)};
inline constexpr Kernel kArange{"arange", cpu::arange, IF_CUDA(cuda::arange)};

}  // namespace matmix
