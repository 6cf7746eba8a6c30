#include <algorithm>
#include <cmath>

#include "ops/reduce/reduce_kernels.h"
#include "ops/reduce/row_cpu.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

/// Calls f(r) for every row; `cost` is that of an element.
template <class F>
void for_rows(int64_t R, int64_t n, int64_t cost, F&& f) {
  constexpr int64_t kUnit = 8192;  // elements that a thread takes at a time
  const int64_t rows = std::clamp<int64_t>(kUnit / n, 1, R);
  parallel_for((R + rows - 1) / rows, R * n * cost, [&](int64_t unit) {
    for (int64_t r = unit * rows; r < std::min(R, (unit + 1) * rows); ++r) f(r);
  });
}

}  // namespace

void max_forward(const Tensor& x, const Tensor& y, const Tensor& index) {
  const int64_t R = x.dim(0), n = x.dim(1);
  int64_t* first = index.data<int64_t>();
  dispatch_float(x.dtype(), "max", [&]<class T>() {
    using A = Accumulator<T>;
    const T* in = x.data<T>();
    T* out = y.data<T>();
    for_rows(R, n, 2, [=](int64_t r) {
      const A m = max_of<A>(in + r * n, n);
      out[r] = static_cast<T>(m);
      const T* at = std::find_if(in + r * n, in + (r + 1) * n, [m](T v) { return A(v) == m || v != v; });
      first[r] = at - (in + r * n);
    });
  });
}

void max_backward(const Tensor& index, const Tensor& dy, const Tensor& dx) {
  const int64_t R = dx.dim(0), n = dx.dim(1);
  const int64_t* first = index.data<int64_t>();
  dispatch_float(dx.dtype(), "max", [&]<class T>() {
    const T* in = dy.data<T>();
    T* out = dx.data<T>();
    for_rows(R, n, 1, [=](int64_t r) {
      std::fill_n(out + r * n, n, T(0.0f));
      out[r * n + first[r]] = in[r];
    });
  });
}

void logsumexp_forward(const Tensor& x, const Tensor& y) {
  const int64_t R = x.dim(0), n = x.dim(1);
  dispatch_float(x.dtype(), "logsumexp", [&]<class T>() {
    using A = Accumulator<T>;
    const T* in = x.data<T>();
    A* out = y.data<A>();
    for_rows(R, n, 16, [=](int64_t r) {
      const A m = max_of<A>(in + r * n, n);
      out[r] = std::isfinite(m) ? m + std::log(sum_exp(in + r * n, n, m)) : m;
    });
  });
}

void logsumexp_backward(const Tensor& x, const Tensor& y, const Tensor& dy, const Tensor& dx) {
  const int64_t R = x.dim(0), n = x.dim(1);
  dispatch_float(x.dtype(), "logsumexp", [&]<class T>() {
    using A = Accumulator<T>;
    const T *in = x.data<T>(), *upstream = dy.data<T>();
    const A* lse = y.data<A>();
    T* out = dx.data<T>();
    for_rows(R, n, 16, [=](int64_t r) {
      const A top = lse[r], scale = top == -INFINITY ? A(0) : A(upstream[r]), shift = top == -INFINITY ? A(0) : top;
      const T* __restrict__ from = in + r * n;
      T* __restrict__ to = out + r * n;
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(scale * math::exp(static_cast<A>(from[i]) - shift));
    });
  });
}

}  // namespace matmix::cpu
