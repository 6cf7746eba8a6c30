#include "ops/common/gradient_place.h"

#include "tensor/create.h"

namespace matmix {

Tensor gradient_place(const Backward& b, int input, const Tensor& like, const Runs& runs) {
  if (!like.defined()) return {};
  Tensor place = b.target(input);
  if (!place.defined() || place.shape() != like.shape() || place.dtype() != like.dtype() || !place.has_dense_rows())
    place = empty(like.shape(), like.dtype(), like.device());
  if (!runs.is_full()) fill(place, 0);
  return place;
}

}  // namespace matmix
