#include "ops/layout/layout.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "autograd/node.h"
#include "ops/common/views.h"
#include "ops/layout/layout_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

using View = std::function<Tensor(const Tensor&)>;

/// Disjoint parts of x as views. Their gradients are written in place into one buffer of x's shape; what no part
/// covers is zero there.
std::vector<Var> parts_of(const char* op, const Var& x, std::vector<View> views, bool cover_all) {
  std::vector<Tensor> parts;
  for (const View& view : views) parts.push_back(view(x.value()));
  const auto buffer = std::make_shared<Tensor>();
  const GradSlot slot = [=, shape = x.shape(), dtype = x.dtype(), device = x.device()](int part) {
    if (!buffer->defined()) *buffer = cover_all ? empty(shape, dtype, device) : zeros(shape, dtype, device);
    return views[static_cast<size_t>(part)](*buffer);
  };
  const auto fn = [=](Backward& b) {
    for (int part = 0; part < static_cast<int>(views.size()); ++part) {
      const Tensor place = slot(part), &dy = b.dy(part);
      if (!dy.defined())
        fill(place, 0);
      else if (!dy.same_view_as(place))
        copy(place, dy);
    }
    b.give(0, std::exchange(*buffer, Tensor()));
  };
  return record(op, {x}, parts, fn, slot);
}

Var part_of(const char* op, const Var& x, View view) {
  return std::move(parts_of(op, x, {std::move(view)}, false).front());
}

/// x without a gradient path of its own: what it is after a view that is undone by `back`.
Var viewed(const char* op, const Var& x, const Tensor& view, View back) {
  return record(op, {x}, view, [back = std::move(back)](Backward& b) { b.give(0, back(b.dy())); });
}

Tensor flipped(const Tensor& x, int axis) {
  const Tensor y = empty_like(x);
  if (x.numel() > 0) kFlip(x.device(), around(contiguous(x), axis), around(y, axis));
  return y;
}

}  // namespace

Var reshape(const Var& x, const Shape& shape) {
  return viewed("reshape", x, reshaped(x.value(), shape),
                [old = x.shape()](const Tensor& dy) { return reshaped(dy, old); });
}

Var permute(const Var& x, const std::vector<int>& order) {
  const Tensor view = x.value().permute(order);
  std::vector<int> inverse(order.size());
  for (int i = 0; i < x.rank(); ++i)
    inverse[static_cast<size_t>(normalize_axis(order[static_cast<size_t>(i)], x.rank(), "permute"))] = i;
  return viewed("permute", x, view, [=](const Tensor& dy) { return dy.permute(inverse); });
}

Var transpose(const Var& x, int axis_a, int axis_b) {
  return viewed("transpose", x, x.value().transpose(axis_a, axis_b),
                [=](const Tensor& dy) { return dy.transpose(axis_a, axis_b); });
}

Var narrow(const Var& x, int axis, int64_t start, int64_t length) {
  return part_of("narrow", x, [=](const Tensor& t) { return t.narrow(axis, start, length); });
}

Var select(const Var& x, int axis, int64_t index) {
  return part_of("select", x, [=](const Tensor& t) { return t.select(axis, index); });
}

Var expand(const Var& x, const Shape& shape) {
  return viewed("expand", x, x.value().expand(shape), [](const Tensor& dy) { return dy; });
}

Var unsqueeze(const Var& x, int axis) {
  const int at = normalize_axis(axis, x.rank() + 1, "unsqueeze");
  return viewed("unsqueeze", x, x.value().unsqueeze(at), [=](const Tensor& dy) { return dy.squeeze(at); });
}

Var squeeze(const Var& x, int axis) {
  const int at = normalize_axis(axis, x.rank(), "squeeze");
  return viewed("squeeze", x, x.value().squeeze(at), [=](const Tensor& dy) { return dy.unsqueeze(at); });
}

std::vector<Var> split(const Var& x, const std::vector<int64_t>& sizes, int axis) {
  const int at = normalize_axis(axis, x.rank(), "split");
  std::vector<View> views;
  int64_t start = 0;
  for (const int64_t size : sizes) {
    views.push_back([=](const Tensor& t) { return t.narrow(at, start, size); });
    start += size;
  }
  require(start == x.dim(at), "split", "sizes must add up to ", x.dim(at), ", got ", start, "; x is ", x);
  return parts_of("split", x, std::move(views), true);
}

Var contiguous(const Var& x) {
  if (x.value().is_contiguous()) return x;
  return viewed("contiguous", x, contiguous(x.value()), [](const Tensor& dy) { return dy; });
}

Var concat(const std::vector<Var>& parts, int axis) {
  require(!parts.empty(), "concat", "needs at least one part");
  const Var& first = parts.front();
  const int at = normalize_axis(axis, first.rank(), "concat");
  Shape shape = first.shape();
  shape[at] = 0;
  for (const Var& part : parts) {
    Shape expected = first.shape();
    if (part.rank() == first.rank()) expected[at] = part.dim(at);
    require(part.shape() == expected && part.dtype() == first.dtype() && part.device() == first.device(), "concat",
            "parts must agree in all but axis ", at, ", got ", first, " and ", part);
    shape[at] += part.dim(at);
  }
  const Tensor y = empty(shape, first.dtype(), first.device());
  int64_t start = 0;
  for (const Var& part : parts) {
    copy(y.narrow(at, start, part.dim(at)), part.value());
    start += part.dim(at);
  }
  std::vector<int64_t> sizes;
  for (const Var& part : parts) sizes.push_back(part.dim(at));
  return record("concat", parts, y, [=](Backward& b) {
    int64_t from = 0;
    for (int i = 0; i < static_cast<int>(sizes.size()); ++i) {
      const int64_t size = sizes[static_cast<size_t>(i)];
      b.give(i, b.dy().narrow(at, from, size));
      from += size;
    }
  });
}

Var flip(const Var& x, int axis) {
  const int at = normalize_axis(axis, x.rank(), "flip");
  return viewed("flip", x, flipped(x.value(), at), [=](const Tensor& dy) { return flipped(dy, at); });
}

Var shift(const Var& x, int axis, int64_t steps) {
  const int at = normalize_axis(axis, x.rank(), "shift");
  const int64_t n = x.dim(at), gone = std::min(n, steps < 0 ? -steps : steps);
  return steps < 0 ? pad(narrow(x, at, gone, n - gone), at, 0, gone) : pad(narrow(x, at, 0, n - gone), at, gone, 0);
}

Var pad(const Var& x, int axis, int64_t before, int64_t after) {
  const int at = normalize_axis(axis, x.rank(), "pad");
  require(before >= 0 && after >= 0, "pad", "must not be negative, got ", before, " before and ", after, " after");
  const int64_t n = x.dim(at);
  Shape shape = x.shape();
  shape[at] += before + after;
  const Tensor y = empty(shape, x.dtype(), x.device());
  fill(y.narrow(at, 0, before), 0);
  copy(y.narrow(at, before, n), x.value());
  fill(y.narrow(at, before + n, after), 0);
  return viewed("pad", x, y, [=](const Tensor& dy) { return dy.narrow(at, before, n); });
}

Var repeat(const Var& x, int axis, int64_t times) {
  const int at = normalize_axis(axis, x.rank(), "repeat");
  require(times >= 0, "repeat", "times must not be negative, got ", times);
  Shape merged = x.shape(), spread;
  for (int i = 0; i < x.rank(); ++i) {
    spread.push_back(x.dim(i));
    if (i == at) spread.push_back(times);
  }
  merged[at] *= times;
  return reshape(expand(unsqueeze(x, at + 1), spread), merged);
}

}  // namespace matmix
