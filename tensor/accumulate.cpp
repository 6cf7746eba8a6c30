#include "tensor/accumulate.h"

#include <algorithm>

#include "tensor/accumulate_kernels.h"
#include "tensor/create.h"

namespace matmix {
namespace {

// Terms that one stage sums for one output, where they lie next to each other and where they do not. Longer sums are
// cut into this many terms: parallel over the cuts, and the error grows with the depth, not with the length.
constexpr int64_t kDenseTerms = 4096;
constexpr int64_t kStridedTerms = 64;

SumPlan plan_of(const Tensor& into, const Tensor& x, bool add) {
  const Walk walk = collapse(x.shape(), into.expand(x.shape()).strides(), x.strides());
  SumPlan plan{.outputs = {}, .summed = {}, .add = add};
  for (int i = 0; i < walk.shape.rank(); ++i) {
    Walk& part = walk.a[i] != 0 ? plan.outputs : plan.summed;
    part.shape.push_back(walk.shape[i]);
    part.a.push_back(walk.a[i]);
    part.b.push_back(walk.b[i]);
  }
  return plan;
}

void sum(const Tensor& into, const Tensor& x, bool add);

/// Cuts the longest summed axis into n parts of `length` (the last may be shorter), sums each into a row of partial
/// sums, then the rows.
void sum_in_parts(const Tensor& into, const Tensor& x, const SumPlan& plan, int64_t most) {
  const Walk &outputs = plan.outputs, &summed = plan.summed;
  int axis = 0;
  for (int i = 1; i < summed.shape.rank(); ++i)
    if (summed.shape[i] > summed.shape[axis]) axis = i;
  const int64_t size = summed.shape[axis];
  const int64_t length = std::clamp<int64_t>(most * size / summed.shape.numel(), 1, (size + 1) / 2);
  const int64_t whole = size / length, rest = size % length;

  const bool wide = into.dtype() == DType::F64 || x.dtype() == DType::F64;
  const Tensor partial = empty(Shape{whole + (rest > 0)} + outputs.shape, wide ? DType::F64 : DType::F32, x.device());
  // Every part: shape [parts, outputs..., summed...], of which `partial` has the leading axes.
  const auto sum_parts = [&](int64_t first, int64_t parts, int64_t terms) {
    Shape shape = Shape{parts} + outputs.shape, ones = shape;
    Shape strides = Shape{length * summed.b[axis]} + outputs.b;
    for (int i = 0; i < summed.shape.rank(); ++i) {
      shape.push_back(i == axis ? terms : summed.shape[i]);
      strides.push_back(summed.b[i]);
      ones.push_back(1);
    }
    const Tensor all = x.strided(summed.shape + outputs.shape, summed.b + outputs.b);
    sum(partial.narrow(0, first, parts).reshape(ones),
        all.narrow(axis, first * length, parts * terms).strided(shape, strides), false);
  };
  sum_parts(0, whole, length);
  if (rest > 0) sum_parts(whole, 1, rest);
  sum(into.strided(outputs.shape, outputs.a), partial, plan.add);
}

void sum(const Tensor& into, const Tensor& x, bool add) {
  const SumPlan plan = plan_of(into, x, add);
  const bool dense = plan.summed.shape.rank() > 0 && plan.summed.b.dim(-1) == 1;
  const int64_t most = dense ? kDenseTerms : kStridedTerms;
  const bool room_for_parts = plan.outputs.shape.rank() + plan.summed.shape.rank() < Shape::kMaxRank;
  if (plan.summed.shape.numel() > 2 * most && room_for_parts) return sum_in_parts(into, x, plan, most);
  kSum(x.device(), into, x, plan);
}

void check(const Tensor& into, const Tensor& x) {
  constexpr std::string_view kWhere = "accumulate";
  require(is_floating(into.dtype()) && is_floating(x.dtype()), kWhere, "dtypes must be floating, got ", x, " into ",
          into);
  require(into.device() == x.device(), kWhere, "devices must be equal, got ", x, " into ", into);
  require(broadcast_shapes(into.shape(), x.shape(), kWhere) == x.shape(), kWhere, "into must broadcast to x, got ", x,
          " into ", into);
  for (int i = 0; i < into.rank(); ++i)
    require(into.dim(i) <= 1 || into.stride(i) != 0, kWhere, "into must not be a broadcast view, got strides ",
            into.strides(), " for ", into);
}

}  // namespace

void accumulate(const Tensor& into, const Tensor& x) {
  check(into, x);
  if (x.numel() == 0) return;
  sum(into, x, true);
  into.bump_version();
}

void reduce_into(const Tensor& into, const Tensor& x) {
  check(into, x);
  if (x.numel() == 0) return fill(into, 0);
  sum(into, x, false);
  into.bump_version();
}

}  // namespace matmix
