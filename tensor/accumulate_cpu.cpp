#include <vector>

#include "tensor/accumulate_kernels.h"
#include "tensor/tiles.h"

namespace matmix::cpu {
namespace {

constexpr int64_t kElements = 65536;  // terms that a thread sums at a time
constexpr int64_t kColumns = 1024;    // sums carried at a time: they stay in the first cache

/// The terms of one output, as rows of `length` elements `stride` apart that start at `starts`.
struct Terms {
  std::vector<int64_t> starts{0};
  int64_t length = 1;
  int64_t stride = 1;
};

Terms terms_of(const Walk& summed) {
  Terms terms;
  const int last = summed.shape.rank() - 1;
  for (int axis = 0; axis < last; ++axis) {
    std::vector<int64_t> longer;
    for (const int64_t start : terms.starts)
      for (int64_t i = 0; i < summed.shape[axis]; ++i) longer.push_back(start + i * summed.b[axis]);
    terms.starts = std::move(longer);
  }
  if (last >= 0) {
    terms.length = summed.shape[last];
    terms.stride = summed.b[last];
  }
  return terms;
}

/// One term an output: into (+)= x.
template <class A, class I, class X>
void add_tile(I* __restrict__ into, const X* __restrict__ x, const Tile& tile, bool add) {
  const auto put = [&](int64_t r, int64_t c, A term) {
    I& y = into[r * tile.a_row + c * tile.a_col];
    y = static_cast<I>((add ? static_cast<A>(y) : A(0)) + term);
  };
  if (tile.a_col != 1 || tile.b_col != 1) return read_across<A>(x, tile, put);
  for (int64_t r = 0; r < tile.rows; ++r)
    for (int64_t c = 0; c < tile.cols; ++c) {
      I& y = into[r * tile.a_row + c];
      y = static_cast<I>((add ? static_cast<A>(y) : A(0)) + static_cast<A>(x[r * tile.b_row + c]));
    }
}

/// Many outputs side by side: their sums are carried together, term by term.
template <class A, class I, class X>
void sum_columns(I* into, const X* x, const Tile& tile, const Terms& terms, bool add) {
  A sums[kColumns];
  for (int64_t r = 0; r < tile.rows; ++r) {
    for (int64_t c = 0; c < tile.cols; ++c) sums[c] = A(0);
    for (const int64_t start : terms.starts)
      for (int64_t i = 0; i < terms.length; ++i) {
        const X* row = x + r * tile.b_row + start + i * terms.stride;
        for (int64_t c = 0; c < tile.cols; ++c) sums[c] += static_cast<A>(row[c]);
      }
    I* out = into + r * tile.a_row;
    for (int64_t c = 0; c < tile.cols; ++c) {
      I& y = out[c * tile.a_col];
      y = static_cast<I>((add ? static_cast<A>(y) : A(0)) + sums[c]);
    }
  }
}

/// Sixteen interleaved sums, so that the additions do not wait for each other, then those in order.
template <class A, class X>
A sum_row(const X* row, int64_t length, int64_t stride) {
  constexpr int64_t kLanes = 16;
  A lanes[kLanes] = {}, sum = 0;
  int64_t i = 0;
  if (stride == 1)
    for (; i + kLanes <= length; i += kLanes)
      for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += static_cast<A>(row[i + lane]);
  for (; i < length; ++i) lanes[i % kLanes] += static_cast<A>(row[i * stride]);
  for (const A lane : lanes) sum += lane;
  return sum;
}

/// One output after the other.
template <class A, class I, class X>
void sum_rows(I* into, const X* x, const Tile& tile, const Terms& terms, bool add) {
  for (int64_t r = 0; r < tile.rows; ++r)
    for (int64_t c = 0; c < tile.cols; ++c) {
      A sum = 0;
      for (const int64_t start : terms.starts)
        sum += sum_row<A>(x + r * tile.b_row + c * tile.b_col + start, terms.length, terms.stride);
      I& y = into[r * tile.a_row + c * tile.a_col];
      y = static_cast<I>((add ? static_cast<A>(y) : A(0)) + sum);
    }
}

template <class I, class X>
void sum_as(I* into, const X* x, const SumPlan& plan) {
  using A = std::conditional_t<std::is_same_v<I, double>, double, Accumulator<X>>;
  const Terms terms = terms_of(plan.summed);
  const int64_t count = plan.summed.shape.numel(), worth = count * plan.outputs.shape.numel();
  const bool columns = plan.outputs.shape.rank() > 0 && plan.outputs.b.dim(-1) == 1;
  const int64_t most = std::max<int64_t>(1, kElements / count), most_cols = count == 1 ? most : kColumns;
  for_each_tile(plan.outputs, most, most_cols, worth, [&](const Tile& tile) {
    if (count == 1) {
      add_tile<A>(into + tile.a, x + tile.b, tile, plan.add);
    } else if (columns) {
      sum_columns<A>(into + tile.a, x + tile.b, tile, terms, plan.add);
    } else {
      sum_rows<A>(into + tile.a, x + tile.b, tile, terms, plan.add);
    }
  });
}

}  // namespace

void sum(const Tensor& into, const Tensor& x, const SumPlan& plan) {
  dispatch_float(into.dtype(), "accumulate", [&]<class I>() {
    dispatch_float(x.dtype(), "accumulate", [&]<class X>() { sum_as(into.data<I>(), x.data<X>(), plan); });
  });
}

}  // namespace matmix::cpu
