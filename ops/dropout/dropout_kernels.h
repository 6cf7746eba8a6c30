#pragma once

#include "tensor/kernel.h"
#include "tensor/random.h"

namespace matmix {

/// y_i = x_i / (1 - p) where the uniform number of random_bits({seed, stream, step[0]}, i) is at least p, else 0.
/// x, y contiguous, of one floating dtype; step I64 [1] on their device; key.step is not used.
using DropoutEntry = void(const Tensor& x, double p, const RandomKey& key, const Tensor& step, const Tensor& y);
namespace cpu {
DropoutEntry dropout;
}  // namespace cpu
namespace cuda {
DropoutEntry dropout;
}  // namespace cuda
inline constexpr Kernel kDropout{"dropout", cpu::dropout, IF_CUDA(cuda::dropout)};

}  // namespace matmix
