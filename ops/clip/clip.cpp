#include "ops/clip/clip.h"

#include "ops/clip/clip_kernels.h"

namespace matmix {

void clip_factor(const Tensor& grad, double max_norm, const Tensor& norm, const Tensor& factor) {
  require((grad.dtype() == DType::F32 || grad.dtype() == DType::F64) && grad.rank() == 1 && grad.is_contiguous(),
          "clip_factor", "grad must be contiguous F32 or F64 [n], got ", grad);
  require(!std::isnan(max_norm), "clip_factor", "max_norm must be a number, got ", max_norm);
  for (const Tensor* out : {&norm, &factor})
    require(out->dtype() == DType::F64 && out->shape() == Shape{1} && out->device() == grad.device(), "clip_factor",
            "norm and factor must be F64 [1] on ", grad.device(), ", got ", *out);
  kClipFactor(grad.device(), grad, max_norm, norm, factor);
  norm.bump_version();
  factor.bump_version();
}

}  // namespace matmix
