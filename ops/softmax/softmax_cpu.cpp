#include <cmath>
#include <limits>

#include "ops/reduce/row_cpu.h"
#include "ops/softmax/softmax_kernels.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

/// Calls f(r) for every row of `like`, in parallel.
template <class F>
void for_rows(const Tensor& like, F&& f) {
  constexpr int64_t kUnit = 8192, kOperations = 16;  // elements that a thread takes at a time; of an element
  const int64_t R = like.dim(0), n = like.dim(1), rows = std::clamp<int64_t>(kUnit / n, 1, R);
  parallel_for((R + rows - 1) / rows, R * n * kOperations, [&](int64_t unit) {
    for (int64_t r = unit * rows; r < std::min(R, (unit + 1) * rows); ++r) f(r);
  });
}

template <class T>
T* row(const Tensor& x, int64_t r) {
  return x.data<T>() + r * x.stride(0);
}

/// Not below the lowest finite number, so that x - m is never infinity - infinity where some x is finite.
template <class T, class A = Accumulator<T>>
A maximum(const T* x, int64_t n) {
  return larger(max_of<A>(x, n), std::numeric_limits<A>::lowest());
}

}  // namespace

void softmax_forward(const Tensor& x, const Tensor& y) {
  const int64_t n = x.dim(1);
  dispatch_float(x.dtype(), "softmax", [&]<class T>() {
    using A = Accumulator<T>;
    for_rows(x, [&](int64_t r) {
      const T* __restrict__ from = row<T>(x, r);
      T* __restrict__ to = row<T>(y, r);
      const A m = maximum(from, n), sum = sum_exp(from, n, m), scale = sum == 0 ? 0 : 1 / sum;
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(scale * math::exp(static_cast<A>(from[i]) - m));
    });
  });
}

void softmax_backward(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  const int64_t n = y.dim(1);
  dispatch_float(y.dtype(), "softmax", [&]<class T>() {
    using A = Accumulator<T>;
    for_rows(y, [&](int64_t r) {
      const T* __restrict__ p = row<T>(y, r);
      const T* __restrict__ upstream = row<T>(dy, r);
      T* __restrict__ to = row<T>(dx, r);
      const A sum = sum_of<A>(n, [=](int64_t i) { return static_cast<A>(p[i]) * static_cast<A>(upstream[i]); });
      for (int64_t i = 0; i < n; ++i)
        to[i] = static_cast<T>(static_cast<A>(p[i]) * (static_cast<A>(upstream[i]) - sum));
    });
  });
}

void log_softmax_forward(const Tensor& x, const Tensor& y, const Tensor& stats) {
  const int64_t n = x.dim(1);
  dispatch_float(x.dtype(), "log_softmax", [&]<class T>() {
    using A = Accumulator<T>;
    A *maxima = stats.data<A>(), *log_sums = maxima + stats.dim(1);
    for_rows(x, [&](int64_t r) {
      const T* __restrict__ from = row<T>(x, r);
      T* __restrict__ to = row<T>(y, r);
      const A m = maximum(from, n), sum = sum_exp(from, n, m), log_sum = sum == 0 ? 0 : std::log(sum);
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(static_cast<A>(from[i]) - m - log_sum);
      maxima[r] = m;
      log_sums[r] = log_sum;
    });
  });
}

void log_softmax_backward(const Tensor& x, const Tensor& stats, const Tensor& dy, const Tensor& dx) {
  const int64_t n = x.dim(1);
  dispatch_float(x.dtype(), "log_softmax", [&]<class T>() {
    using A = Accumulator<T>;
    const A *maxima = stats.data<A>(), *log_sums = maxima + stats.dim(1);
    for_rows(x, [&](int64_t r) {
      const T* __restrict__ from = row<T>(x, r);
      const T* __restrict__ upstream = row<T>(dy, r);
      T* __restrict__ to = row<T>(dx, r);
      const A m = maxima[r], log_sum = log_sums[r];
      const A sum = sum_of<A>(n, [=](int64_t i) { return static_cast<A>(upstream[i]); });
      for (int64_t i = 0; i < n; ++i)
        to[i] = static_cast<T>(static_cast<A>(upstream[i]) - sum * math::exp(static_cast<A>(from[i]) - m - log_sum));
    });
  });
}

}  // namespace matmix::cpu
