#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/cross_entropy/cross_entropy_kernels.h"
#include "ops/reduce/row_cpu.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

constexpr int64_t kRows = 8;  // rows that a thread takes at a time

/// Calls f(t, target) for every row in parallel; target is -1 where the row does not count.
template <class F>
void for_rows(const CrossEntropyRows& rows, F&& f) {
  constexpr int64_t kOperations = 16;  // an element, roughly
  const int64_t n = rows.logits.dim(0), V = rows.logits.dim(1), ignore_index = rows.ignore_index;
  const int64_t* target = rows.targets.data<int64_t>();
  parallel_for((n + kRows - 1) / kRows, n * V * kOperations, [&](int64_t tile) {
    for (int64_t t = tile * kRows; t < std::min(n, (tile + 1) * kRows); ++t)
      f(t, counts(target[t], V, ignore_index) ? target[t] : -1);
  });
}

/// Not below the lowest finite number, so that x - maximum is never infinity - infinity where some x is finite. Unlike
/// max_of it need not tell NaN, which the sum of exponentials will.
template <class T, class A = Accumulator<T>>
A maximum(const T* x, int64_t V) {
  A lane[kLanes];
  std::fill(lane, lane + kLanes, std::numeric_limits<A>::lowest());
  int64_t j = 0;
  for (; j + kLanes <= V; j += kLanes)
    for (int64_t k = 0; k < kLanes; ++k) {
      const A value = static_cast<A>(x[j + k]);
      lane[k] = value > lane[k] ? value : lane[k];
    }
  for (; j < V; ++j) lane[0] = std::max(lane[0], static_cast<A>(x[j]));
  return *std::max_element(lane, lane + kLanes);
}

template <class T, class A = Accumulator<T>>
void rows_forward(const CrossEntropyRows& rows, double* losses, uint8_t* hits) {
  const int64_t V = rows.logits.dim(1), stride = rows.logits.stride(0);
  const T* logits = rows.logits.data<T>();
  A *maxima = rows.stats.data<A>(), *log_sums = maxima + rows.stats.dim(1);
  for_rows(rows, [=](int64_t t, int64_t target) {
    losses[t] = hits[t] = 0;
    if (target < 0) return;
    const T* x = logits + t * stride;
    const A m = maximum(x, V), log_sum = std::log(sum_exp(x, V, m)), own = static_cast<A>(x[target]);
    maxima[t] = m;
    log_sums[t] = log_sum;
    losses[t] = static_cast<double>(log_sum) - static_cast<double>(own - m);
    hits[t] = own == m && std::none_of(x, x + target, [=](T value) { return static_cast<A>(value) == m; });
  });
}

template <class T, class A = Accumulator<T>>
void rows_backward(const CrossEntropyRows& rows, A gradient, const Tensor& dlogits) {
  const int64_t V = rows.logits.dim(1), stride = rows.logits.stride(0), out_stride = dlogits.stride(0);
  const T* logits = rows.logits.data<T>();
  const A *maxima = rows.stats.data<A>(), *log_sums = maxima + rows.stats.dim(1);
  T* out = dlogits.data<T>();
  for_rows(rows, [=](int64_t t, int64_t target) {
    const T* x = logits + t * stride;
    T* dx = out + t * out_stride;
    if (target < 0) return std::fill(dx, dx + V, static_cast<T>(0));
    const A m = maxima[t], log_sum = log_sums[t];
    const auto softmax = [=](T value) { return math::exp(static_cast<A>(value) - m - log_sum); };
    for (int64_t j = 0; j < V; ++j) dx[j] = static_cast<T>(softmax(x[j]) * gradient);
    dx[target] = static_cast<T>((softmax(x[target]) - 1) * gradient);
  });
}

}  // namespace

void cross_entropy_rows(const CrossEntropyRows& rows, const Tensor& losses, const Tensor& hits) {
  dispatch_float(rows.logits.dtype(), "cross_entropy",
                 [&]<class T>() { rows_forward<T>(rows, losses.data<double>(), hits.data<uint8_t>()); });
}

void cross_entropy_totals(const CrossEntropyRows& rows, const Tensor& losses, const Tensor& hits, const Tensor& scale,
                          const CrossEntropyTotals& totals) {
  const int64_t *target = rows.targets.data<int64_t>(), V = rows.logits.dim(1);
  double total = 0;
  int64_t count = 0, correct = 0;
  for (int64_t t = 0; t < losses.numel(); ++t) {
    total += losses.data<double>()[t];
    count += counts(target[t], V, rows.ignore_index);
    correct += hits.data<uint8_t>()[t];
  }
  const double weight = loss_weight(scale.defined() ? scale.data<double>() : nullptr, count);
  *totals.total.data<double>() = total;
  *totals.count.data<int64_t>() = count;
  *totals.correct.data<int64_t>() = correct;
  *totals.weight.data<double>() = weight;
  dispatch_float(totals.loss.dtype(), "cross_entropy",
                 [&]<class T>() { *totals.loss.data<T>() = static_cast<T>(weight * total); });
}

void cross_entropy_backward(const CrossEntropyRows& rows, const Tensor& weight, const Tensor& dloss,
                            const Tensor& dlogits) {
  dispatch_float(dlogits.dtype(), "cross_entropy", [&]<class T>() {
    using A = Accumulator<T>;
    rows_backward<T>(rows, static_cast<A>(*weight.data<double>() * static_cast<double>(*dloss.data<A>())), dlogits);
  });
}

}  // namespace matmix::cpu
