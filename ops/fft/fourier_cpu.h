#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numbers>
#include <vector>

#include "tensor/dtype.h"

// The complex Fourier transform of a few columns at once, a register of real and one of imaginary parts a row: what the
// CPU kernels of real transforms and of Toeplitz products are made of. Two real columns make a complex one.
namespace matmix::cpu {

/// One row of a tile of complex columns.
template <class A>
struct Lanes {
  static constexpr int64_t kCount = 32 / sizeof(A);
  using Part = Eigen::Array<A, kCount, 1>;
  Part re, im;

  static Lanes zero() { return {Part::Zero(), Part::Zero()}; }
};

template <class A>
Lanes<A> operator+(const Lanes<A>& a, const Lanes<A>& b) {
  return {a.re + b.re, a.im + b.im};
}
template <class A>
Lanes<A> operator-(const Lanes<A>& a, const Lanes<A>& b) {
  return {a.re - b.re, a.im - b.im};
}
template <class A>
Lanes<A> times_i(const Lanes<A>& a) {
  return {-a.im, a.re};
}
/// Real and imaginary parts exchanged: an inverse transform is a forward one between two exchanges.
template <class A>
Lanes<A> exchanged(const Lanes<A>& a) {
  return {a.im, a.re};
}

/// A complex number that multiplies every lane.
template <class A>
struct Turn {
  A re, im;
};
template <class A>
Turn<A> conj(const Turn<A>& w) {
  return {w.re, -w.im};
}
template <class A>
Lanes<A> operator*(const Turn<A>& w, const Lanes<A>& z) {
  return {w.re * z.re - w.im * z.im, w.re * z.im + w.im * z.re};
}

/// Where the lanes of a tile lie in a tensor: row i of lane l at offset[l] + i row, or nowhere (-1: reads 0, stores
/// nothing).
template <class T>
class LaneColumns {
 public:
  using A = Accumulator<T>;
  using Part = typename Lanes<A>::Part;
  static constexpr int64_t kCount = Lanes<A>::kCount;

  /// offset_of(l) for each lane.
  template <class F>
  LaneColumns(T* data, int64_t row, F&& offset_of) : data_(data), row_(row) {
    for (int64_t l = 0; l < kCount; ++l) {
      offset_[l] = offset_of(l);
      dense_ = dense_ && offset_[l] >= 0 && offset_[l] == offset_[0] + l;
    }
  }

  Part load(int64_t i) const {
    Part x;
    const T* from = data_ + i * row_;
    if (dense_)
      for (int64_t l = 0; l < kCount; ++l) x[l] = static_cast<A>(from[offset_[0] + l]);
    else
      for (int64_t l = 0; l < kCount; ++l) x[l] = offset_[l] < 0 ? A(0) : static_cast<A>(from[offset_[l]]);
    return x;
  }
  void store(int64_t i, const Part& x) const {
    T* to = data_ + i * row_;
    if (dense_)
      for (int64_t l = 0; l < kCount; ++l) to[offset_[0] + l] = static_cast<T>(x[l]);
    else
      for (int64_t l = 0; l < kCount; ++l)
        if (offset_[l] >= 0) to[offset_[l]] = static_cast<T>(x[l]);
  }

 private:
  T* data_;
  int64_t row_;
  std::array<int64_t, kCount> offset_;
  bool dense_ = true;
};

/// Rows of a tile, not initialised.
template <class A>
using TileRows = std::unique_ptr<Lanes<A>[]>;
template <class A>
TileRows<A> tile_rows(int64_t n) {
  return std::make_unique_for_overwrite<Lanes<A>[]>(static_cast<size_t>(n));
}

/// e^{-2 pi i k / n} for k < n, counted in double: two short tables and one product each, since sines are slow.
template <class A>
std::vector<Turn<A>> turns(int64_t n) {
  constexpr int64_t kFine = 128;
  const auto exact = [n](int64_t k) {
    const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
    return Turn<double>{std::cos(angle), std::sin(angle)};
  };
  std::vector<Turn<double>> fine;
  for (int64_t k = 0; k < std::min(n, kFine); ++k) fine.push_back(exact(k));
  std::vector<Turn<A>> table;
  table.reserve(static_cast<size_t>(n));
  for (int64_t first = 0; first < n; first += kFine) {
    const auto [c, s] = exact(first);
    for (int64_t k = 0; k < kFine && first + k < n; ++k) {
      const auto [a, b] = fine[static_cast<size_t>(k)];
      table.push_back({static_cast<A>(c * a - s * b), static_cast<A>(c * b + s * a)});
    }
  }
  return table;
}

/// The transform of n rows in place, n a power of two. Frequencies come out, and go in, in the order of their reversed
/// bits, so no row is ever moved. Depth first: parts that fit a cache are finished in it, whatever its size.
/// Source: Cooley and Tukey 1965, Gentleman and Sande 1966, in steps of four.
template <class A>
class PowerOfTwo {
 public:
  explicit PowerOfTwo(int64_t n) : n_(n), turns_(turns<A>(n)) {}

  int64_t size() const { return n_; }
  /// X_k = sum_j x_j e^{-2 pi i jk / n}; X_k in row reversed(k).
  void forward(Lanes<A>* z) const { forward(n_, 1, z); }
  /// x_j = sum_k X_k e^{2 pi i jk / n} of such rows, in order.
  void backward(Lanes<A>* z) const { backward(n_, 1, z); }

  int64_t reversed(int64_t k) const {
    int64_t row = 0;
    for (int64_t bit = 1; bit < n_; bit *= 2, k /= 2) row = 2 * row + k % 2;
    return row;
  }

 private:
  using Row = Lanes<A>;
  Turn<A> turn(int64_t k) const { return turns_[static_cast<size_t>(k)]; }

  /// One part of n = n_ / stride rows. The sums of a step are stored in the order 0, 2, 1, 3, which keeps the order of
  /// reversed bits.
  void forward(int64_t n, int64_t stride, Row* z) const {
    if (n <= 1) return;
    if (n == 2 || n == 8) {
      const int64_t half = n / 2;
      for (int64_t k = 0; k < half; ++k) {
        const Row a = z[k], b = z[k + half];
        z[k] = a + b;
        z[k + half] = turn(k * stride) * (a - b);
      }
      for (int64_t p = 0; p < 2; ++p) forward(half, 2 * stride, z + p * half);
      return;
    }
    const int64_t m = n / 4;
    for (int64_t k = 0; k < m; ++k) {
      Row* r = z + k;
      const Row even = r[0] + r[2 * m], odd = r[m] + r[3 * m], x = r[0] - r[2 * m], y = times_i(r[m] - r[3 * m]);
      r[0] = even + odd;
      r[m] = turn(2 * k * stride) * (even - odd);
      r[2 * m] = turn(k * stride) * (x - y);
      r[3 * m] = turn(3 * k * stride) * (x + y);
    }
    if (m > 1)
      for (int64_t p = 0; p < 4; ++p) forward(m, 4 * stride, z + p * m);
  }

  void backward(int64_t n, int64_t stride, Row* z) const {
    if (n <= 1) return;
    if (n == 2 || n == 8) {
      const int64_t half = n / 2;
      for (int64_t p = 0; p < 2; ++p) backward(half, 2 * stride, z + p * half);
      for (int64_t k = 0; k < half; ++k) {
        const Row a = z[k], b = conj(turn(k * stride)) * z[k + half];
        z[k] = a + b;
        z[k + half] = a - b;
      }
      return;
    }
    const int64_t m = n / 4;
    if (m > 1)
      for (int64_t p = 0; p < 4; ++p) backward(m, 4 * stride, z + p * m);
    for (int64_t k = 0; k < m; ++k) {
      Row* r = z + k;
      const Row a = r[0], c = conj(turn(2 * k * stride)) * r[m], b = conj(turn(k * stride)) * r[2 * m],
                d = conj(turn(3 * k * stride)) * r[3 * m];
      const Row even = a + c, odd = b + d, x = a - c, y = times_i(b - d);
      r[0] = even + odd;
      r[m] = x + y;
      r[2 * m] = even - odd;
      r[3 * m] = x - y;
    }
  }

  int64_t n_;
  std::vector<Turn<A>> turns_;
};

/// The transform of n rows, any n > 0: X_k = sum_j x_j e^{-2 pi i jk / n}. Where n is no power of two,
/// jk = (j^2 + k^2 - (k - j)^2) / 2 makes it a convolution, done by three transforms of at least 2n - 1 rows.
/// Source: Bluestein 1970.
template <class A>
class AnyLength {
 public:
  explicit AnyLength(int64_t n)
      : n_(n), inner_(std::has_single_bit(uint64_t(n)) ? n : int64_t(std::bit_ceil(uint64_t(2 * n - 1)))) {
    if (inner_.size() == n) {
      for (int64_t k = 0; k < n; ++k) place_.push_back(inner_.reversed(k));
      return;
    }
    const std::vector<Turn<A>> table = turns<A>(2 * n);
    filter_ = tile_rows<A>(inner_.size());
    for (int64_t k = 0; k < inner_.size(); ++k) filter_[k] = Lanes<A>::zero();
    for (int64_t k = 0; k < n; ++k) {
      place_.push_back(k);
      chirp_.push_back(table[static_cast<size_t>(k * k % (2 * n))]);
      const auto w = conj(chirp_.back());
      const Lanes<A> row{Lanes<A>::Part::Constant(w.re), Lanes<A>::Part::Constant(w.im)};
      filter_[k] = filter_[(inner_.size() - k) % inner_.size()] = row;
    }
    inner_.forward(filter_.get());
  }

  /// Rows of the tile that forward() takes: the first n hold x, the others anything.
  int64_t rows() const { return inner_.size(); }
  void forward(Lanes<A>* z) const {
    if (chirp_.empty()) return inner_.forward(z);
    const A scale = A(1) / static_cast<A>(rows());
    for (int64_t j = 0; j < n_; ++j) z[j] = chirp(j) * z[j];
    for (int64_t j = n_; j < rows(); ++j) z[j] = Lanes<A>::zero();
    inner_.forward(z);
    for (int64_t k = 0; k < rows(); ++k) z[k] = Turn<A>{scale * filter_[k].re[0], scale * filter_[k].im[0]} * z[k];
    inner_.backward(z);
    for (int64_t k = 0; k < n_; ++k) z[k] = chirp(k) * z[k];
  }
  /// The row in which forward() leaves X_k, k < n.
  int64_t row(int64_t k) const { return place_[static_cast<size_t>(k)]; }

 private:
  Turn<A> chirp(int64_t k) const { return chirp_[static_cast<size_t>(k)]; }

  int64_t n_;
  PowerOfTwo<A> inner_;
  std::vector<int64_t> place_;
  std::vector<Turn<A>> chirp_;  ///< e^{-pi i k^2 / n}; empty for powers of two
  TileRows<A> filter_;          ///< the transform of its conjugate
};

}  // namespace matmix::cpu
