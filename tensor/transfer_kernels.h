#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// copy: dst = src on one device, any strides and dtypes; equal shapes, not empty.
/// transfer: dst = src as bytes; both contiguous, of one dtype and shape, each on the host or on the kernel's device.
using CopyEntry = void(const Tensor& dst, const Tensor& src);
using TransferEntry = void(const Tensor& dst, const Tensor& src);
namespace cpu {
CopyEntry copy;
TransferEntry transfer;
}  // namespace cpu
namespace cuda {
CopyEntry copy;
TransferEntry transfer;
}  // namespace cuda
inline constexpr Kernel kCopy{"copy", cpu::copy, IF_CUDA(cuda::copy)};
inline constexpr Kernel kTransfer{"transfer", cpu::transfer, IF_CUDA(cuda::transfer)};

}  // namespace matmix
