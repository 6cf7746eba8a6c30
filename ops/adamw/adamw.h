#pragma once

#include "tensor/tensor.h"

namespace matmix {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;  ///< decoupled: w -= lr * weight_decay * w
  double lr_scale = 1;      ///< of lr[0]
};

/// One AdamW step over a flat range, in place:
///   g = clip[0] grad;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
///   w = w - lr_scale lr[0] (weight_decay w + (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)),  t = step[0] + 1
///   weight, grad, m, v  [n] contiguous, all F32 or all F64       shadow  BF16 [n] = round(w), or undefined
///   step I64 [1], lr F64 [1], clip F64 [1]: on the same device, read when the kernel runs (StepState)
/// Bumps the versions of weight, m, v and shadow. Source: Loshchilov & Hutter 2019, alg. 2.
void adamw(const Tensor& weight, const Tensor& grad, const Tensor& m, const Tensor& v, const Tensor& shadow,
           const Tensor& step, const Tensor& lr, const Tensor& clip, const AdamWOptions& options);

}  // namespace matmix
