#include "ops/common/views.h"

#include "tensor/transfer.h"

namespace matmix {
namespace {

Shape shape_of_rows(const Tensor& x) {
  Shape shape{1, x.dim(-1)};
  for (int i = 0; i < x.rank() - 1; ++i) shape[0] *= x.dim(i);
  return shape;
}

}  // namespace

Tensor dense_rows(const Tensor& x) { return x.has_dense_rows() ? x : contiguous(x); }

Tensor reshaped(const Tensor& x, const Shape& shape) {
  return (x.can_view_as(shape) ? x : contiguous(x)).reshape(shape);
}

Tensor rows_view(const Tensor& x) {
  const Shape shape = shape_of_rows(x);
  return x.has_dense_rows() && x.can_view_as(shape) ? x.reshape(shape) : Tensor();
}

Tensor as_rows(const Tensor& x) { return x.defined() ? reshaped(dense_rows(x), shape_of_rows(x)) : x; }

Tensor around(const Tensor& x, int axis) {
  Shape shape{1, x.dim(axis), 1};
  for (int i = 0; i < x.rank(); ++i)
    if (i != axis) shape[i < axis ? 0 : 2] *= x.dim(i);
  return reshaped(x, shape);
}

Tensor over_batch(const Tensor& x, int64_t B) { return dense_rows(x).expand({B, x.dim(1), x.dim(2), x.dim(3)}); }

Shape batch_of(const Shape& shape) { return Shape(std::span(shape.begin(), shape.end() - 2)); }

}  // namespace matmix
