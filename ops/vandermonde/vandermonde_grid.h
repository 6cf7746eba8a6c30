#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "ops/elementwise/vector_math.h"

namespace matmix {

/// Points 0 .. n/2 of a circle of n, of which a cosine takes w neighbours.
struct Grid {
  static constexpr int kMostTaps = 16;
  int64_t n = 0;  ///< a power of two >= 4 L
  int w = 0;
  double beta = 0;

  /// For rows of L tokens; a tap more for each digit. Sampled twice as densely as it must be, or more.
  static Grid of(int64_t L, double accuracy) {
    Grid grid;
    grid.n = std::max<int64_t>(2 * kMostTaps, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(4 * L))));
    grid.w = std::clamp(static_cast<int>(std::ceil(-std::log10(accuracy))) + 2, 2, kMostTaps);
    grid.beta = 0.98 * std::numbers::pi * grid.w * (1 - static_cast<double>(L) / static_cast<double>(grid.n));
    return grid;
  }
  int64_t points() const { return n / 2 + 1; }
  /// Where a point of the circle, or one up to n/2 beyond its ends, lies among points().
  int64_t fold(int64_t m) const {
    m = m < 0 ? -m : m;
    return m > n / 2 ? n - m : m;
  }
};

/// phi(g - m) and its derivative in x at m = first, first + 1, .. of a number x; 0 behind the last.
template <class A>
struct Taps {
  int64_t first;
  A value[Grid::kMostTaps], slope[Grid::kMostTaps];

  Taps(const Grid& grid, double eps, double x) {
    const double turn = x * eps - std::rint(x * eps), g = static_cast<double>(grid.n) * std::fabs(turn);
    const double start = std::ceil(g - 0.5 * grid.w);
    first = std::isnan(g) ? 0 : static_cast<int64_t>(start);
    const A z0 = static_cast<A>(g - start), unit = A(2) / static_cast<A>(grid.w), beta = static_cast<A>(grid.beta);
    const A step = static_cast<A>(std::copysign(static_cast<double>(grid.n) * eps, turn));
    for (int a = 0; a < Grid::kMostTaps; ++a) {
      const A y = (z0 - static_cast<A>(a)) * unit, square = 1 - y * y;
      const A root = std::sqrt(square < A(1e-14) ? A(1e-14) : square);
      const A phi = a < grid.w ? math::exp(beta * (root - 1)) : A(0);
      value[a] = phi;
      slope[a] = -phi * step * beta * unit * y / root;
    }
  }
};

}  // namespace matmix
