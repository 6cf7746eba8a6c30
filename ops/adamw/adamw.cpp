#include "ops/adamw/adamw.h"

#include "ops/adamw/adamw_kernels.h"

namespace matmix {
namespace {

void check_range(const Tensor& x, const char* name, const Tensor& weight, DType dtype) {
  require(x.dtype() == dtype && x.shape() == weight.shape() && x.device() == weight.device() && x.is_contiguous(),
          "adamw", name, " must be contiguous ", dtype, " ", weight.shape(), " on ", weight.device(), ", got ", x);
}

void check_scalar(const Tensor& x, const char* name, const Tensor& weight, DType dtype) {
  require(x.dtype() == dtype && x.shape() == Shape{1} && x.device() == weight.device(), "adamw", name, " must be ",
          dtype, " [1] on ", weight.device(), ", got ", x);
}

void check_options(const AdamWOptions& o) {
  require(o.beta1 >= 0 && o.beta1 < 1, "adamw", "beta1 must be in [0, 1), got ", o.beta1);
  require(o.beta2 >= 0 && o.beta2 < 1, "adamw", "beta2 must be in [0, 1), got ", o.beta2);
  require(o.eps > 0, "adamw", "eps must be positive, got ", o.eps);
  require(o.weight_decay >= 0, "adamw", "weight_decay must not be negative, got ", o.weight_decay);
  require(o.lr_scale >= 0, "adamw", "lr_scale must not be negative, got ", o.lr_scale);
}

}  // namespace

void adamw(const Tensor& weight, const Tensor& grad, const Tensor& m, const Tensor& v, const Tensor& shadow,
           const Tensor& step, const Tensor& lr, const Tensor& clip, const AdamWOptions& options) {
  require(
      (weight.dtype() == DType::F32 || weight.dtype() == DType::F64) && weight.rank() == 1 && weight.is_contiguous(),
      "adamw", "weight must be contiguous F32 or F64 [n], got ", weight);
  check_range(grad, "grad", weight, weight.dtype());
  check_range(m, "m", weight, weight.dtype());
  check_range(v, "v", weight, weight.dtype());
  if (shadow.defined()) check_range(shadow, "shadow", weight, DType::BF16);
  check_scalar(step, "step", weight, DType::I64);
  check_scalar(lr, "lr", weight, DType::F64);
  check_scalar(clip, "clip", weight, DType::F64);
  check_options(options);

  kAdamW(weight.device(), weight, grad, m, v, shadow, step, lr, clip, options);
  for (const Tensor* changed : {&weight, &m, &v}) changed->bump_version();
  if (shadow.defined()) shadow.bump_version();
}

}  // namespace matmix
