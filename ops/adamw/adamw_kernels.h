#pragma once

#include <cmath>

#include "ops/adamw/adamw.h"
#include "tensor/kernel.h"

namespace matmix {

/// One step's constants, in the type of the numbers it works on.
template <class T>
struct AdamWStep {
  T clip, lr, beta1, one_minus_beta1, beta2, one_minus_beta2, correction1, correction2, eps, weight_decay;

  /// One element, on either device.
  HOST_DEVICE void operator()(T& w, T grad, T& m, T& v) const {
    const T g = clip * grad;
    m = beta1 * m + one_minus_beta1 * g;
    v = beta2 * v + one_minus_beta2 * (g * g);
    w -= lr * (weight_decay * w + m * correction1 / (std::sqrt(v * correction2) + eps));
  }
};

/// Worked out in double.
template <class T>
HOST_DEVICE AdamWStep<T> adamw_step(int64_t step, double lr, double clip, const AdamWOptions& o) {
  const double t = static_cast<double>(step + 1);
  return {.clip = static_cast<T>(clip),
          .lr = static_cast<T>(lr * o.lr_scale),
          .beta1 = static_cast<T>(o.beta1),
          .one_minus_beta1 = static_cast<T>(1 - o.beta1),
          .beta2 = static_cast<T>(o.beta2),
          .one_minus_beta2 = static_cast<T>(1 - o.beta2),
          .correction1 = static_cast<T>(1 / (1 - std::pow(o.beta1, t))),
          .correction2 = static_cast<T>(1 / (1 - std::pow(o.beta2, t))),
          .eps = static_cast<T>(o.eps),
          .weight_decay = static_cast<T>(o.weight_decay)};
}

using AdamWEntry = void(const Tensor& weight, const Tensor& grad, const Tensor& m, const Tensor& v,
                        const Tensor& shadow, const Tensor& step, const Tensor& lr, const Tensor& clip,
                        const AdamWOptions& options);
namespace cpu {
AdamWEntry adamw;
}  // namespace cpu
namespace cuda {
AdamWEntry adamw;
}  // namespace cuda
inline constexpr Kernel kAdamW{"adamw", cpu::adamw, IF_CUDA(cuda::adamw)};

}  // namespace matmix
