#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// Factors of a spectrum's rows: `edge` of those that are their own conjugates (0 and, for even n, n/2), `inner` of the
/// others, each of which stands for two.
struct SpectrumWeights {
  double edge = 1, inner = 1;

  HOST_DEVICE double at(int64_t k, int64_t n) const { return k == 0 || 2 * k == n ? edge : inner; }
};

// x [A, L, C] T, any strides, columns of one length; X [A, n/2 + 1, 2, C] Accumulator<T>, contiguous. n > 0.
// Row j of x is that of j mod n: beyond n it is added to, or read from, the same place.
/// X_k = w_k sum_j x_j e^{-2 pi i jk / n}.
using RfftEntry = void(const Tensor& x, int64_t n, SpectrumWeights w, const Tensor& X);
/// x_j = sum_{k <= n/2} w_k Re(X_k e^{2 pi i jk / n}): the transpose of rfft with the same weights.
using IrfftEntry = void(const Tensor& X, int64_t n, SpectrumWeights w, const Tensor& x);
/// y_i = sum_j cos(2 pi ij / n) x_j; y as x.
using CosineTransformEntry = void(const Tensor& x, int64_t n, const Tensor& y);
namespace cpu {
RfftEntry rfft;
IrfftEntry irfft;
CosineTransformEntry cosine_transform;
}  // namespace cpu
namespace cuda {
RfftEntry rfft;
IrfftEntry irfft;
CosineTransformEntry cosine_transform;
}  // namespace cuda

inline constexpr Kernel kRfft{"rfft", cpu::rfft, IF_CUDA(cuda::rfft)};
inline constexpr Kernel kIrfft{"irfft", cpu::irfft, IF_CUDA(cuda::irfft)};
inline constexpr Kernel kCosineTransform{"cosine_transform", cpu::cosine_transform, IF_CUDA(cuda::cosine_transform)};

}  // namespace matmix
