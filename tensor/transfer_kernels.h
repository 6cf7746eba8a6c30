#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// copy: dst = src on one device, any strides and dtypes; equal shapes, not empty.
/// transfer: dst = src as bytes; both contiguous, of one dtype and shape, each on the host or on the kernel's device.
namespace cpu {
void copy(const Tensor& dst, const Tensor& src);
void transfer(const Tensor& dst, const Tensor& src);
}  // namespace cpu
namespace cuda {
void copy(const Tensor& dst, const Tensor& src);
void transfer(const Tensor& dst, const Tensor& src);
}  // namespace cuda
inline constexpr Kernel kCopy{"copy", cpu::copy, IF_CUDA(cuda::copy)};
inline constexpr Kernel kTransfer{"transfer", cpu::transfer, IF_CUDA(cuda::transfer)};

}  // namespace matmix
