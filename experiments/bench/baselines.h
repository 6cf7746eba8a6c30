#pragma once

#include "tensor/tensor.h"

namespace matmix::experiments {

// The same work by Eigen on one thread, as a user of Eigen would write it: the yardstick of the CPU kernels. F32.

/// c = a b, batched:  a [..., M, K], b [..., K, N], c [..., M, N], contiguous.
void eigen_matmul(const Tensor& a, const Tensor& b, const Tensor& c);
/// ops/conv1d, centred, without activation:  x, y [B, L, C], weight [C, width], bias [C].
void eigen_conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y);

}  // namespace matmix::experiments
