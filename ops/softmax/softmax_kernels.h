#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

// Over the rows of x [R, n], R and n > 0; y, dy, dx [R, n] of x's dtype. All have dense rows.
// stats [2, R] Accumulator<T>, contiguous:  stats[0, r] = m = max_i x_ri but never below the lowest finite number,
// stats[1, r] = log sum_i exp(x_ri - m), or 0 in a row of nothing but -infinity, whose sum is 0.
//   softmax_forward       y_ri = exp(x_ri - m) / sum_j exp(x_rj - m), 0 where that sum is 0
//   softmax_backward      dx_ri = y_ri (dy_ri - sum_j y_rj dy_rj)
//   log_softmax_forward   y_ri = x_ri - m - log sum; stats
//   log_softmax_backward  dx_ri = dy_ri - exp(x_ri - m - log sum) sum_j dy_rj
using SoftmaxForwardEntry = void(const Tensor& x, const Tensor& y);
using SoftmaxBackwardEntry = void(const Tensor& y, const Tensor& dy, const Tensor& dx);
using LogSoftmaxForwardEntry = void(const Tensor& x, const Tensor& y, const Tensor& stats);
using LogSoftmaxBackwardEntry = void(const Tensor& x, const Tensor& stats, const Tensor& dy, const Tensor& dx);
namespace cpu {
SoftmaxForwardEntry softmax_forward;
SoftmaxBackwardEntry softmax_backward;
LogSoftmaxForwardEntry log_softmax_forward;
LogSoftmaxBackwardEntry log_softmax_backward;
}  // namespace cpu
namespace cuda {
SoftmaxForwardEntry softmax_forward;
SoftmaxBackwardEntry softmax_backward;
LogSoftmaxForwardEntry log_softmax_forward;
LogSoftmaxBackwardEntry log_softmax_backward;
}  // namespace cuda
inline constexpr Kernel kSoftmaxForward{"softmax_forward", cpu::softmax_forward, IF_CUDA(cuda::softmax_forward)};
inline constexpr Kernel kSoftmaxBackward{"softmax_backward", cpu::softmax_backward, IF_CUDA(cuda::softmax_backward)};
inline constexpr Kernel kLogSoftmaxForward{"log_softmax_forward", cpu::log_softmax_forward,
                                           IF_CUDA(cuda::log_softmax_forward)};
inline constexpr Kernel kLogSoftmaxBackward{"log_softmax_backward", cpu::log_softmax_backward,
                                            IF_CUDA(cuda::log_softmax_backward)};

}  // namespace matmix
