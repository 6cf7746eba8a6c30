#pragma once

#include "ops/elementwise/activation.h"
#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

// The part of linear after the product, over rows of N values. u, y, kept, dy, du [rows, N], one dtype T, dense rows;
// bias [N] of Accumulator<T>.

/// y = act(u + bias); y may be u.
using BiasActForwardEntry = void(const Tensor& u, const Tensor& bias, Activation act, const Tensor& y);
/// du = dy act'(u + bias), where act's slope is a function of its input: kept is u; else kept is y and bias undefined.
using BiasActBackwardEntry = void(const Tensor& dy, const Tensor& kept, const Tensor& bias, Activation act,
                                  const Tensor& du);
namespace cpu {
BiasActForwardEntry bias_act_forward;
BiasActBackwardEntry bias_act_backward;
}  // namespace cpu
namespace cuda {
BiasActForwardEntry bias_act_forward;
BiasActBackwardEntry bias_act_backward;
}  // namespace cuda

inline constexpr Kernel kBiasActForward{"bias_act_forward", cpu::bias_act_forward, IF_CUDA(cuda::bias_act_forward)};
inline constexpr Kernel kBiasActBackward{"bias_act_backward", cpu::bias_act_backward, IF_CUDA(cuda::bias_act_backward)};

}  // namespace matmix
