#include "ops/scan/scan.h"

#include <algorithm>

#include "autograd/node.h"
#include "ops/common/views.h"
#include "ops/scan/scan_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

void check_floating(const char* op, const Var& x) {
  require(x.defined() && is_floating(x.dtype()), op, "x must be a floating tensor, got ", x);
}

/// The sums along an axis of x, in `dtype`: x's or F64.
Tensor summed(const Tensor& x, int axis, bool reverse, bool exclusive, DType dtype) {
  const Tensor y = empty(x.shape(), dtype, x.device());
  if (x.numel() == 0) return y;
  kCumsum(x.device(), around(contiguous(x), axis), around(y, axis), reverse, exclusive);
  return y;
}

}  // namespace

Var cumsum(const Var& x, int axis, const CumsumOptions& options) {
  check_floating("cumsum", x);
  const int at = normalize_axis(axis, x.rank(), "cumsum");
  const bool reverse = options.reverse, exclusive = options.exclusive;
  return record("cumsum", {x}, summed(x.value(), at, reverse, exclusive, x.dtype()),
                [=](Backward& b) { b.give(0, summed(b.dy(), at, !reverse, exclusive, b.dy().dtype())); });
}

Var segsum(const Var& x, bool reverse) {
  check_floating("segsum", x);
  require(x.rank() >= 1, "segsum", "x must have an axis to sum over, got ", x);
  const int64_t L = x.dim(-1), R = x.numel() / std::max<int64_t>(L, 1);
  const Tensor y = empty(x.shape() + Shape{L}, x.dtype(), x.device());
  if (y.numel() > 0) kSegsum(x.device(), contiguous(x.value()).reshape({R, L}), y.reshape({R, L, L}), reverse);
  return record("segsum", {x}, y, [=, shape = x.shape()](Backward& b) {
    // Entry (i, j) contains x_k for j < k <= i: dx_k sums over the rows i >= k what row i sums over j < k.
    const Tensor dx = empty(shape, b.dy().dtype(), b.dy().device());
    if (dx.numel() > 0) {
      const Tensor rows = summed(b.dy(), shape.rank(), reverse, true, DType::F64);
      kTriangleSum(dx.device(), rows.reshape({R, L, L}), dx.reshape({R, L}), reverse);
    }
    b.give(0, dx);
  });
}

}  // namespace matmix
