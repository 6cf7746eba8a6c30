#pragma once

#include <cmath>

#include "tensor/kernel.h"
#include "tensor/random.h"

namespace matmix {

/// The one rounding of the product and sum, fused on every device: so all agree in every bit.
HOST_DEVICE inline double uniform_between(double low, double high, uint32_t bits) {
  return std::fma(high - low, static_cast<double>(to_uniform(bits)), low);
}

/// x[i] = uniform_between(low, high, random_bits(key, i)), x contiguous.
using RandomUniformEntry = void(const Tensor& x, double low, double high, const RandomKey& key);
namespace cpu {
RandomUniformEntry random_uniform;
}  // namespace cpu
namespace cuda {
RandomUniformEntry random_uniform;
}  // namespace cuda
inline constexpr Kernel kRandomUniform{"random_uniform", cpu::random_uniform, IF_CUDA(cuda::random_uniform)};

}  // namespace matmix
