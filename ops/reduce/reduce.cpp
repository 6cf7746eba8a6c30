#include "ops/reduce/reduce.h"

#include "autograd/node.h"
#include "ops/elementwise/elementwise_kernels.h"
#include "ops/reduce/reduce_kernels.h"
#include "tensor/accumulate.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

/// What a reduction makes of x's shape.
struct Reduced {
  Shape with_ones;         // reduced axes have size 1
  Shape result;            // what the caller sees
  std::vector<int> order;  // kept axes, then reduced ones
  std::vector<int> back;   // the inverse permutation
  int64_t n = 1;           // elements that each result is made of

  Reduced(const char* op, const Var& x, const std::vector<int>& axes, bool keep_dims) {
    require(x.defined() && is_floating(x.dtype()), op, "x must be a floating tensor, got ", x);
    unsigned gone = axes.empty() ? ~0u : 0u;
    for (const int given : axes) {
      const int axis = normalize_axis(given, x.rank(), op);
      require(!(gone >> axis & 1u), op, "axis ", given, " is named twice; x is ", x);
      gone |= 1u << axis;
    }
    std::vector<int> last;
    for (int i = 0; i < x.rank(); ++i) {
      const bool reduced = gone >> i & 1u;
      if (reduced) n *= x.dim(i);
      (reduced ? last : order).push_back(i);
      with_ones.push_back(reduced ? 1 : x.dim(i));
      if (!reduced || keep_dims) result.push_back(with_ones[i]);
    }
    order.insert(order.end(), last.begin(), last.end());
    back.resize(order.size());
    for (size_t i = 0; i < order.size(); ++i) back[static_cast<size_t>(order[i])] = static_cast<int>(i);
  }

  /// x, its reduced axes last, as contiguous rows [R, n].
  Tensor rows(const Tensor& x) const { return contiguous(x.permute(order)).reshape({with_ones.numel(), n}); }
  /// Rows as x again.
  Tensor unrows(const Tensor& rows, const Shape& shape) const {
    Shape permuted = shape;
    for (size_t i = 0; i < order.size(); ++i) permuted[static_cast<int>(i)] = shape[order[i]];
    return rows.reshape(permuted).permute(back);
  }
};

void check_not_empty(const char* op, const Reduced& r, const Var& x) {
  require(r.n > 0, op, "needs at least one element along the axes; x is ", x);
}

Tensor scaled(const Tensor& x, double scale) {
  const Tensor y = empty_like(x);
  kAffine(x.device(), scale, 0, x, y);
  return y;
}

/// dy as the contiguous [R] that kernels take.
Tensor flat(const Tensor& dy) { return contiguous(dy).reshape({dy.numel()}); }

}  // namespace

Var sum(const Var& x, const std::vector<int>& axes, bool keep_dims) {
  const Reduced r("sum", x, axes, keep_dims);
  const Tensor y = empty(r.result, x.dtype(), x.device());
  reduce_into(y.reshape(r.with_ones), x.value());
  return record("sum", {x}, y,
                [r, shape = x.shape()](Backward& b) { b.give(0, b.dy().reshape(r.with_ones).expand(shape)); });
}

Var mean(const Var& x, const std::vector<int>& axes, bool keep_dims) {
  const Reduced r("mean", x, axes, keep_dims);
  check_not_empty("mean", r, x);
  const double scale = 1.0 / static_cast<double>(r.n);
  const Tensor total = empty(r.result, accumulator(x.dtype()), x.device());
  reduce_into(total.reshape(r.with_ones), x.value());
  return record("mean", {x}, cast(scaled(total, scale), x.dtype()), [r, scale, shape = x.shape()](Backward& b) {
    b.give(0, scaled(b.dy(), scale).reshape(r.with_ones).expand(shape));
  });
}

Var max(const Var& x, const std::vector<int>& axes, bool keep_dims) {
  const Reduced r("max", x, axes, keep_dims);
  check_not_empty("max", r, x);
  const Tensor y = empty(r.result, x.dtype(), x.device()), index = empty({y.numel()}, DType::I64, x.device());
  if (y.numel() > 0) kMaxForward(x.device(), r.rows(x.value()), y.reshape({-1}), index);
  return record("max", {x}, y, [r, shape = x.shape(), index = Saved(index, "index")](Backward& b) {
    const Tensor dx = empty({b.dy().numel(), r.n}, b.dy().dtype(), b.dy().device());
    if (dx.numel() > 0) kMaxBackward(dx.device(), index, flat(b.dy()), dx);
    b.give(0, r.unrows(dx, shape));
  });
}

Var logsumexp(const Var& x, const std::vector<int>& axes, bool keep_dims) {
  const Reduced r("logsumexp", x, axes, keep_dims);
  check_not_empty("logsumexp", r, x);
  const Tensor rows = r.rows(x.value());
  const Tensor y = empty(r.result, accumulator(x.dtype()), x.device());
  if (y.numel() > 0) kLogsumexpForward(x.device(), rows, y.reshape({-1}));
  return record("logsumexp", {x}, cast(y, x.dtype()),
                [r, shape = x.shape(), rows = Saved(rows, "x"), y = Saved(y, "y")](Backward& b) {
                  const Tensor dx = empty_like(rows);
                  if (dx.numel() > 0) kLogsumexpBackward(dx.device(), rows, flat(y), flat(b.dy()), dx);
                  b.give(0, r.unrows(dx, shape));
                });
}

}  // namespace matmix
