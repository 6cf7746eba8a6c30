#include "ops/gather/gather.h"

#include "autograd/node.h"
#include "ops/common/views.h"
#include "ops/gather/gather_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

Tensor gathered(const Tensor& x, int axis, const Tensor& index) {
  const Tensor y = empty(index.shape(), x.dtype(), x.device());
  if (y.numel() > 0) kGather(x.device(), around(contiguous(x), axis), around(index, axis), around(y, axis));
  return y;
}

Tensor scattered(const Tensor& x, int axis, const Tensor& index, int64_t n) {
  Shape shape = x.shape();
  shape[axis] = n;
  const Tensor y = zeros(shape, accumulator(x.dtype()), x.device());
  if (x.numel() > 0 && n > 0) kScatter(x.device(), around(contiguous(x), axis), around(index, axis), around(y, axis));
  return cast(y, x.dtype());
}

/// The axis as a positive number.
int check(const char* op, const Var& x, int axis, const Tensor& index) {
  require(x.defined() && is_floating(x.dtype()), op, "x must be a floating tensor, got ", x);
  const int at = normalize_axis(axis, x.rank(), op);
  require(index.defined() && index.dtype() == DType::I64 && index.device() == x.device(), op,
          "index must be I64 on x's device, ", x.device(), ", got ", index);
  return at;
}

/// On the CPU, where looking costs nothing.
void check_range(const char* op, const Tensor& index, int64_t n) {
  if (index.device().is_cuda()) return;
  const Tensor flat = contiguous(index);
  const int64_t* i = flat.data<int64_t>();
  for (int64_t at = 0; at < flat.numel(); ++at)
    require(i[at] >= 0 && i[at] < n, op, "index must be in [0, ", n, "), got ", i[at], " at element ", at);
}

}  // namespace

Var gather(const Var& x, int axis, const Tensor& index) {
  const int at = check("gather", x, axis, index);
  Shape expected = x.shape();
  if (index.rank() == x.rank()) expected[at] = index.dim(at);
  require(index.shape() == expected, "gather", "index must have x's shape but for axis ", at, ", got ", index,
          "; x is ", x);
  check_range("gather", index, x.dim(at));
  return record(
      "gather", {x}, gathered(x.value(), at, index),
      [=, n = x.dim(at), index = Saved(index, "index")](Backward& b) { b.give(0, scattered(b.dy(), at, index, n)); });
}

Var scatter(const Var& x, int axis, const Tensor& index, int64_t n) {
  const int at = check("scatter", x, axis, index);
  require(index.shape() == x.shape(), "scatter", "index must have x's shape, got ", index, "; x is ", x);
  require(n >= 0, "scatter", "n must not be negative, got ", n);
  check_range("scatter", index, n);
  return record("scatter", {x}, scattered(x.value(), at, index, n),
                [=, index = Saved(index, "index")](Backward& b) { b.give(0, gathered(b.dy(), at, index)); });
}

}  // namespace matmix
