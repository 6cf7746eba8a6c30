#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

// Over the rows of x [R, n], R and n > 0; y, dy [R]; everything contiguous and of x's dtype, but index, and y of
// logsumexp in Accumulator<T>.
//   max_forward         y_r = max_i x_ri, index I64 [R] = the first i of it (the first NaN, if there is one)
//   max_backward        dx_ri = dy_r if i = index_r, else 0
//   logsumexp_forward   y_r = m + log sum_i exp(x_ri - m), m = max_i x_ri; m itself if m is infinite
//   logsumexp_backward  dx_ri = dy_r exp(x_ri - y_r), 0 where y_r is -infinity
using MaxForwardEntry = void(const Tensor& x, const Tensor& y, const Tensor& index);
using MaxBackwardEntry = void(const Tensor& index, const Tensor& dy, const Tensor& dx);
using LogsumexpForwardEntry = void(const Tensor& x, const Tensor& y);
using LogsumexpBackwardEntry = void(const Tensor& x, const Tensor& y, const Tensor& dy, const Tensor& dx);
namespace cpu {
MaxForwardEntry max_forward;
MaxBackwardEntry max_backward;
LogsumexpForwardEntry logsumexp_forward;
LogsumexpBackwardEntry logsumexp_backward;
}  // namespace cpu
namespace cuda {
MaxForwardEntry max_forward;
MaxBackwardEntry max_backward;
LogsumexpForwardEntry logsumexp_forward;
LogsumexpBackwardEntry logsumexp_backward;
}  // namespace cuda
inline constexpr Kernel kMaxForward{"max_forward", cpu::max_forward, IF_CUDA(cuda::max_forward)};
inline constexpr Kernel kMaxBackward{"max_backward", cpu::max_backward, IF_CUDA(cuda::max_backward)};
inline constexpr Kernel kLogsumexpForward{"logsumexp_forward", cpu::logsumexp_forward,
                                          IF_CUDA(cuda::logsumexp_forward)};
inline constexpr Kernel kLogsumexpBackward{"logsumexp_backward", cpu::logsumexp_backward,
                                           IF_CUDA(cuda::logsumexp_backward)};

}  // namespace matmix
