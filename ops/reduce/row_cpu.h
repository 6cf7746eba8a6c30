#pragma once

#include <algorithm>

#include "ops/elementwise/vector_math.h"

// Reductions of one dense row, written so that they vectorise: partial results are interleaved.
namespace matmix::cpu {

inline constexpr int64_t kLanes = 32;

/// The larger one; NaN if either is.
template <class A>
A larger(A a, A b) {
  return a > b || a != a ? a : b;
}

/// NaN if there is one; n > 0.
template <class A, class T>
A max_of(const T* x, int64_t n) {
  A lanes[kLanes];
  std::fill_n(lanes, kLanes, static_cast<A>(x[0]));
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] = larger(static_cast<A>(x[i + lane]), lanes[lane]);
  for (; i < n; ++i) lanes[0] = larger(static_cast<A>(x[i]), lanes[0]);
  A m = lanes[0];
  for (const A lane : lanes) m = larger(lane, m);
  return m;
}

/// sum of f(i) for i < n.
template <class A, class F>
[[gnu::always_inline]] inline A sum_of(int64_t n, F&& f) {
  A lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += f(i + lane);
  for (; i < n; ++i) lanes[i % kLanes] += f(i);
  for (int64_t half = kLanes / 2; half > 0; half /= 2)
    for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

/// sum exp(x - m).
template <class A, class T>
A sum_exp(const T* x, int64_t n, A m) {
  return sum_of<A>(n, [=](int64_t i) { return math::exp(static_cast<A>(x[i]) - m); });
}

}  // namespace matmix::cpu
