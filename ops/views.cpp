#include "ops/views.h"

#include "tensor/transfer.h"

namespace matmix {

Tensor dense_rows(const Tensor& x) { return x.has_dense_rows() ? x : contiguous(x); }

Tensor rows_view(const Tensor& x) {
  Shape shape{1, x.dim(-1)};
  for (int i = 0; i < x.rank() - 1; ++i) shape[0] *= x.dim(i);
  return x.has_dense_rows() && x.can_view_as(shape) ? x.reshape(shape) : Tensor();
}

Tensor as_rows(const Tensor& x) {
  if (!x.defined()) return x;
  const Tensor view = rows_view(x);
  return view.defined() ? view : rows_view(contiguous(x));
}

Tensor around(const Tensor& x, int axis) {
  Shape shape{1, x.dim(axis), 1};
  for (int i = 0; i < x.rank(); ++i)
    if (i != axis) shape[i < axis ? 0 : 2] *= x.dim(i);
  return (x.can_view_as(shape) ? x : contiguous(x)).reshape(shape);
}

Tensor over_batch(const Tensor& x, int64_t B) { return dense_rows(x).expand({B, x.dim(1), x.dim(2), x.dim(3)}); }

Shape batch_of(const Shape& shape) { return Shape(std::span(shape.begin(), shape.end() - 2)); }

}  // namespace matmix
