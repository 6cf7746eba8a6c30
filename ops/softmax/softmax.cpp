#include "ops/softmax/softmax.h"

#include "autograd/node.h"
#include "ops/common/views.h"
#include "ops/layout/layout.h"
#include "ops/softmax/softmax_kernels.h"
#include "tensor/create.h"

namespace matmix {
namespace {

/// Where a kernel writes dx, in the shape of x.
Tensor room_for(const Backward& b, const Tensor& dy) {
  const Tensor place = b.target(0);
  const bool fits = place.dtype() == dy.dtype() && place.is_contiguous();
  return fits ? place : empty(dy.shape(), dy.dtype(), dy.device());
}

Var softmax_of_rows(const Var& x) {
  const Tensor y = empty_like(x.value());
  if (x.numel() > 0) kSoftmaxForward(x.device(), as_rows(x.value()), as_rows(y));
  return record("softmax", {x}, y, [y = Saved(y, "y")](Backward& b) {
    const Tensor dx = room_for(b, b.dy());
    if (dx.numel() > 0) kSoftmaxBackward(dx.device(), as_rows(y), as_rows(b.dy()), as_rows(dx));
    b.give(0, dx);
  });
}

Var log_softmax_of_rows(const Var& x) {
  const Tensor y = empty_like(x.value());
  const DType sums = accumulator(x.dtype());
  const Tensor stats = empty({2, x.numel() > 0 ? x.numel() / x.dim(-1) : 0}, sums, x.device());
  if (x.numel() > 0) kLogSoftmaxForward(x.device(), as_rows(x.value()), as_rows(y), stats);
  return record("log_softmax", {x}, y,
                [x = Saved(x.value(), "x"), stats = Saved(stats, "row statistics")](Backward& b) {
                  const Tensor dx = room_for(b, b.dy());
                  if (dx.numel() > 0) kLogSoftmaxBackward(dx.device(), as_rows(x), stats, as_rows(b.dy()), as_rows(dx));
                  b.give(0, dx);
                });
}

/// f, which works on the last axis, along `axis`.
Var along(const char* op, const Var& x, int axis, Var (*f)(const Var&)) {
  require(x.defined() && is_floating(x.dtype()) && x.rank() > 0, op,
          "x must be a floating tensor of at least one axis, got ", x);
  const int at = normalize_axis(axis, x.rank(), op);
  return at == x.rank() - 1 ? f(x) : transpose(f(transpose(x, at, -1)), at, -1);
}

}  // namespace

Var softmax(const Var& x, int axis) { return along("softmax", x, axis, softmax_of_rows); }
Var log_softmax(const Var& x, int axis) { return along("log_softmax", x, axis, log_softmax_of_rows); }

}  // namespace matmix
