#pragma once

#include "tensor/tensor.h"

namespace matmix {

/// norm[0] = sqrt(sum grad^2) and factor[0] = min(1, max_norm / norm) (1 if norm is 0; NaN if norm is not finite), on
/// the device, for adamw to multiply with. grad [n] contiguous F32 or F64; norm, factor F64 [1]. max_norm <= 0:
/// factor 1. Sums in F64 in fixed order.   Source: Pascanu et al. 2013.
void clip_factor(const Tensor& grad, double max_norm, const Tensor& norm, const Tensor& factor);

}  // namespace matmix
