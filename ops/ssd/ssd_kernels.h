#pragma once

#include "ops/quasiseparable/quasiseparable_kernels.h"

// A number a head: kQuasiseparableForward and kQuasiseparableBackward with one direction and without shift. Here: a
// number for each state, real or complex.
namespace matmix {

/// The inputs of the kernels: those of one direction, without shift, but for A.
struct SsdValues {
  QuasiseparableValues v;  ///< of directions [d, d + 1)
  Tensor A_log;            ///< [H, N], or [H, N / 2] if A_im is defined; Accumulator<T>, contiguous
  Tensor A_im;             ///< [H, N / 2], or undefined

  int direction() const { return v.first_direction; }
};

/// Where the gradients of A go: [chunks, H, N or N / 2] Accumulator<T>, contiguous, each chunk's part.
struct SsdRates {
  Tensor dA_log, dA_im;
};

/// The longest chunk that a device's kernels take: on CUDA a chunk's matrix is in shared memory, token by token.
inline int64_t longest_ssd_chunk(Device device) { return device.is_cuda() ? 16 : INT64_MAX; }

// y, dy [B, L, H, P] T, dense rows; tokens outside the runs are not written.
// states [chunks, H, P, N] Accumulator<T>: what enters each chunk.
// final_state, dfinal [runs, H, P, N] Accumulator<T>, contiguous; dfinal may be undefined.
using SsdForwardEntry = void(const SsdValues& s, const Tensor& y, const Tensor& states, const Tensor& final_state);
using SsdBackwardEntry = void(const SsdValues& s, const Tensor& dy, const Tensor& dfinal, const Tensor& states,
                              const QuasiseparableGradients& to, const SsdRates& rates);
namespace cpu {
SsdForwardEntry ssd_forward;
SsdBackwardEntry ssd_backward;
}  // namespace cpu
namespace cuda {
SsdForwardEntry ssd_forward;
SsdBackwardEntry ssd_backward;
}  // namespace cuda

inline constexpr Kernel kSsdForward{"ssd_forward", cpu::ssd_forward, IF_CUDA(cuda::ssd_forward)};
inline constexpr Kernel kSsdBackward{"ssd_backward", cpu::ssd_backward, IF_CUDA(cuda::ssd_backward)};

}  // namespace matmix
