#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "ops/elementwise/vector_math.h"
#include "tensor/dtype.h"

namespace matmix {

/// What a cosine of any frequency is made of: w neighbours among the points 0 .. n/2 of a circle of n, or, where its
/// angles are small, moments: powers (j / L)^(2 r) of the tokens' places. Rows are the points, then the moments.
struct Grid {
  static constexpr int kMostTaps = 16, kMargin = kMostTaps / 2;
  static constexpr double kSmallAngle = 1;  ///< of the last token
  static constexpr int kMoments = 9;        ///< of the cosine's series there: 1 / 18! is left out
  int64_t L = 0;
  int64_t n = 0;  ///< a power of two >= 4 L
  int w = 0;
  double beta = 0;

  /// For rows of L tokens; a tap more for each digit. Sampled twice as densely as it must be, or more.
  static Grid of(int64_t L, double accuracy) {
    Grid grid;
    grid.L = L;
    grid.n = std::max<int64_t>(2 * kMostTaps, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(4 * L))));
    grid.w = std::clamp(static_cast<int>(std::ceil(-std::log10(accuracy))) + 2, 2, kMostTaps);
    grid.beta = 0.98 * std::numbers::pi * grid.w * (1 - static_cast<double>(L) / static_cast<double>(grid.n));
    return grid;
  }
  HOST_DEVICE int64_t points() const { return n / 2 + 1; }
  HOST_DEVICE int64_t rows() const { return points() + kMoments; }

  // Taps lie on a line, next to each other: the moments, then the points -kMargin .. n/2 + kMargin, of which those
  // beyond the ends fold back onto the rows.
  HOST_DEVICE static constexpr int64_t zero() { return kMoments + kMargin; }
  HOST_DEVICE int64_t places() const { return zero() + points() + kMargin; }
  HOST_DEVICE int64_t row(int64_t place) const {
    if (place < kMoments) return points() + place;
    const int64_t m = place < zero() ? zero() - place : place - zero();
    return m > n / 2 ? n - m : m;
  }
  /// The places that fold to a row, i = 0, 1, 2; -1 if there are fewer.
  static constexpr int kImages = 3;
  HOST_DEVICE int64_t image(int64_t row, int i) const {
    if (row >= points()) return i == 0 ? row - points() : -1;
    if (i == 0) return zero() + row;
    if (i == 1) return row > 0 && row <= kMargin ? zero() - row : -1;
    return row < n / 2 && n / 2 - row <= kMargin ? zero() + n - row : -1;
  }

  /// (j / L)^(2 r), r < kMoments.
  template <class A>
  HOST_DEVICE void write_powers(int64_t j, A* powers) const {
    const double place = static_cast<double>(j) / static_cast<double>(L);
    double power = 1;
    for (int r = 0; r < kMoments; ++r, power *= place * place) powers[r] = static_cast<A>(power);
  }
};

/// x eps less the nearest whole number of turns. With the same bits wherever it is compiled.
HOST_DEVICE inline double turn_of(double eps, double x) {
#ifdef __CUDA_ARCH__
  const double turns = __dmul_rn(x, eps);
#else
  const double turns = x * eps;
#endif
  return turns - std::rint(turns);
}

template <class A>
[[gnu::always_inline]] HOST_DEVICE inline A inverse_root(A x) {
#ifdef __CUDA_ARCH__
  return ::rsqrt(x);
#else
  return 1 / std::sqrt(x);
#endif
}

/// A weight and its derivative in x.
template <class A>
struct Tap {
  A value, slope;
};

/// Where a number x falls on the line, and how it weighs what it finds there.
template <class A>
struct Spot {
  int64_t first;  ///< place; 0 where the angles are small
  A at;           ///< small: the angle of token L; else the point of the grid less the first one that is weighed
  A step;         ///< d at / dx

  HOST_DEVICE Spot(const Grid& grid, double eps, double x) {
    const double turn = turn_of(eps, x), g = static_cast<double>(grid.n) * std::fabs(turn);
    const double circle = 2 * std::numbers::pi * static_cast<double>(grid.L), angle = circle * std::fabs(turn);
    const double start = std::ceil(g - 0.5 * grid.w);
    const bool small = angle <= Grid::kSmallAngle;
    first = small ? 0 : Grid::zero() + (std::isnan(g) ? 0 : static_cast<int64_t>(start));
    at = static_cast<A>(small ? angle : g - start);
    step = static_cast<A>(std::copysign((small ? circle : static_cast<double>(grid.n)) * eps, turn));
  }
  HOST_DEVICE Spot(int64_t first, A at, A step) : first(first), at(at), step(step) {}

  HOST_DEVICE bool small() const { return first == 0; }
  HOST_DEVICE int count(const Grid& grid) const { return small() ? Grid::kMoments : grid.w; }

  /// phi at the a-th point, a < w.
  [[gnu::always_inline]] HOST_DEVICE Tap<A> on_grid(const Grid& grid, int a) const {
    const A unit = A(2) / static_cast<A>(grid.w), beta = static_cast<A>(grid.beta);
    const A y = (at - static_cast<A>(a)) * unit, rest = 1 - y * y, square = rest < A(1e-14) ? A(1e-14) : rest;
    const A inverse = inverse_root(square);
    const A phi = math::exp(-beta * y * y / (1 + square * inverse));  // of root - 1, which would lose digits
    return {phi, -phi * step * beta * unit * y * inverse};
  }
  /// (-1)^r at^(2 r) / (2 r)!, but 1 - lift for r = 0.
  HOST_DEVICE Tap<A> on_moment(A lift, int r) const {
    if (r == 0) return {1 - lift, A(0)};
    A before = 1;
    for (int s = 1; s < r; ++s) before *= -at * at / static_cast<A>((2 * s - 1) * (2 * s));
    const A slope = -before * at / static_cast<A>(2 * r - 1);
    return {slope * at / static_cast<A>(2 * r), slope * step};
  }
};

/// phihat_j = w integral_0^1 phi(w y / 2) cos(pi w j y / n) dy with y = sin: smooth and periodic, so midpoints do.
struct Filter {
  static constexpr int kNodes = 32;
  double sine[kNodes], weight[kNodes], step;

  explicit Filter(const Grid& grid) : step(grid.w / static_cast<double>(grid.n)) {
    for (int t = 0; t < kNodes; ++t) {
      const double width = std::numbers::pi / (2 * kNodes), angle = (t + 0.5) * width;
      sine[t] = std::sin(angle);
      weight[t] = grid.w * width * std::cos(angle) * std::exp(grid.beta * (std::cos(angle) - 1));
    }
  }
  /// 1 / phihat_j.
  HOST_DEVICE double at(int64_t j) const {
    const double turn = step * static_cast<double>(j);
    double sum = 0;
    for (int t = 0; t < kNodes; ++t) {
#ifdef __CUDA_ARCH__
      sum += weight[t] * cospi(turn * sine[t]);
#else
      sum += weight[t] * std::cos(std::numbers::pi * turn * sine[t]);
#endif
    }
    return 1 / sum;
  }
};

}  // namespace matmix
