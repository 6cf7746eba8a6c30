#pragma once

#include <cmath>

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

HOST_DEVICE inline double clip_factor_of(double norm, double max_norm) {
  if (max_norm <= 0) return 1;
  if (!std::isfinite(norm)) return std::nan("");
  return norm > max_norm ? max_norm / norm : 1;
}

/// norm[0] = sqrt(sum grad^2), factor[0] = clip_factor_of(norm[0], max_norm).  grad [n] contiguous F32 or F64.
using ClipFactorEntry = void(const Tensor& grad, double max_norm, const Tensor& norm, const Tensor& factor);
namespace cpu {
ClipFactorEntry clip_factor;
}  // namespace cpu
namespace cuda {
ClipFactorEntry clip_factor;
}  // namespace cuda
inline constexpr Kernel kClipFactor{"clip_factor", cpu::clip_factor, IF_CUDA(cuda::clip_factor)};

}  // namespace matmix
