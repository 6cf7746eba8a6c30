#pragma once

#include "ops/elementwise/activation.h"
#include "tensor/kernel.h"
#include "tensor/runs.h"
#include "tensor/tensor.h"

namespace matmix {

/// A correlation: taps [width, C] reach the tokens i - left .. i - left + width - 1 of i's run; tap k is row k, or row
/// width - 1 - k if reversed (the transposed map). taps and bias [C] are of Accumulator<T>.
struct Conv1dRule {
  Tensor taps = {}, bias = {};
  int64_t left = 0;
  bool reversed = false;
  Activation act = Activation::kNone;
  int64_t act_channels = 0;
};

// x, y, dy, du [B L, C] of one dtype T, dense rows: the tokens of the batch one after the other, as `runs` counts them.
// Written tensors are written everywhere: 0 at padding.
/// y = act(u), u = bias + correlation of x and taps.
using Conv1dForwardEntry = void(const Tensor& x, const Conv1dRule& rule, const Runs& runs, const Tensor& y);
/// du = dy act'(u) with u computed again.
using Conv1dSlopeEntry = void(const Tensor& x, const Conv1dRule& rule, const Runs& runs, const Tensor& dy,
                              const Tensor& du);
/// partial [pieces, width + 1, C] of Accumulator<T>: for pieces of kConv1dPiece tokens, the sums of du x for each tap,
/// and of du. Their sum over pieces is the gradient of taps and bias.
using Conv1dTapSumsEntry = void(const Tensor& x, const Tensor& du, int64_t left, const Runs& runs,
                                const Tensor& partial);
namespace cpu {
Conv1dForwardEntry conv1d_forward;
Conv1dSlopeEntry conv1d_slope;
Conv1dTapSumsEntry conv1d_tap_sums;
}  // namespace cpu
namespace cuda {
Conv1dForwardEntry conv1d_forward;
Conv1dSlopeEntry conv1d_slope;
Conv1dTapSumsEntry conv1d_tap_sums;
}  // namespace cuda

inline constexpr int64_t kConv1dPiece = 256;

inline constexpr Kernel kConv1dForward{"conv1d_forward", cpu::conv1d_forward, IF_CUDA(cuda::conv1d_forward)};
inline constexpr Kernel kConv1dSlope{"conv1d_slope", cpu::conv1d_slope, IF_CUDA(cuda::conv1d_slope)};
inline constexpr Kernel kConv1dTapSums{"conv1d_tap_sums", cpu::conv1d_tap_sums, IF_CUDA(cuda::conv1d_tap_sums)};

}  // namespace matmix
