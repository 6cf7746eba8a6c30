#pragma once

#include <bit>

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// The length of the transforms for L tokens: no output meets a tap that wrapped around.
inline int64_t toeplitz_size(int64_t L) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(2 * L - 1)));
}

// taps [B or 1, 2L - 1, H] Accumulator<T>, contiguous; x, y, dy, dx [B, L, H, P] T, dense rows; nothing is empty.
/// y = scale T x.
using ToeplitzForwardEntry = void(const Tensor& taps, const Tensor& x, double scale, const Tensor& y);
/// dx = scale T' dy and dtaps [B, 2L - 1, H] Accumulator<T>, contiguous, row by row; either may be undefined.
using ToeplitzBackwardEntry = void(const Tensor& taps, const Tensor& x, const Tensor& dy, double scale,
                                   const Tensor& dtaps, const Tensor& dx);
namespace cpu {
ToeplitzForwardEntry toeplitz_forward;
ToeplitzBackwardEntry toeplitz_backward;
}  // namespace cpu
namespace cuda {
ToeplitzForwardEntry toeplitz_forward;
ToeplitzBackwardEntry toeplitz_backward;
}  // namespace cuda

inline constexpr Kernel kToeplitzForward{"toeplitz_forward", cpu::toeplitz_forward, IF_CUDA(cuda::toeplitz_forward)};
inline constexpr Kernel kToeplitzBackward{"toeplitz_backward", cpu::toeplitz_backward,
                                          IF_CUDA(cuda::toeplitz_backward)};

}  // namespace matmix
