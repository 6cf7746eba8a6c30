#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "ops/matmul/tile_matrix.h"
#include "ops/reduce/row_cpu.h"
#include "ops/vandermonde/vandermonde_kernels.h"
#include "tensor/parallel.h"
#include "tensor/wide.h"

namespace matmix::cpu {
namespace {

constexpr int64_t kTile = 64;  // tokens, and places

struct Sizes {
  int64_t B, L, H, E, P;

  Sizes(const Tensor& x, const Tensor& w) : B(x.dim(0)), L(x.dim(1)), H(x.dim(2)), E(x.dim(3)), P(w.dim(3)) {}
  int64_t tiles() const { return (L + kTile - 1) / kTile; }
};

/// The element (row, token or place, head, 0).
template <class T>
T* place(const Tensor& x, int64_t row, int64_t i, int64_t head) {
  return x.data<T>() + row * x.stride(0) + i * x.stride(1) + head * x.stride(2);
}

using Matrix = TileMatrix<double>;

/// [first, first + n) of one row and head, as [n, width].
template <class T>
void load_rows(const Tensor& x, int64_t row, int64_t first, int64_t n, int64_t head, Matrix& to) {
  to.resize(n, x.dim(3));
  for (int64_t i = 0; i < n; ++i) {
    const T* from = place<T>(x, row, first + i, head);
    for (int64_t c = 0; c < x.dim(3); ++c) to(i, c) = static_cast<double>(from[c]);
  }
}
template <class T>
void store_rows(const Matrix& from, const Tensor& x, int64_t row, int64_t first, int64_t head) {
  for (int64_t i = 0; i < from.rows(); ++i) {
    T* to = place<T>(x, row, first + i, head);
    for (int64_t c = 0; c < from.cols(); ++c) to[c] = static_cast<T>(from(i, c));
  }
}

/// The entries h(x_id, j) of a tile of tokens, place by place, in double: half angles pi turn j, turned on by one place
/// at a time from where a tile of places starts. Tokens last, so that loops over them vectorise.
class Entries {
 public:
  template <class T>
  void load(const VandermondeBasis& basis, const Tensor& x, int64_t row, int64_t first, int64_t n, int64_t head) {
    lift_ = 1 - basis.lift;
    slope_ = -2 * std::numbers::pi * basis.eps;
    for (Matrix* m : {&turn_, &cos_, &sin_, &cos_step_, &sin_step_}) m->resize(x.dim(3), n);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t d = 0; d < x.dim(3); ++d) {
        turn_(d, i) = turn_of(basis.eps, static_cast<double>(place<T>(x, row, first + i, head)[d]));
        cos_step_(d, i) = std::cos(std::numbers::pi * turn_(d, i));
        sin_step_(d, i) = std::sin(std::numbers::pi * turn_(d, i));
      }
  }
  int64_t tokens() const { return turn_.cols(); }

  /// N [m, n] of the places [start, start + m).
  void write(int64_t start, int64_t m, Matrix& N) {
    N.setConstant(m, tokens(), lift_ * static_cast<double>(turn_.rows()));
    walk(start, m, [&](int64_t j, int64_t, int64_t i, double, double s) { N(j, i) -= 2 * s * s; });
  }
  /// slopes [E, n] += sum_j weights_ji dh(x_id, j)/dx.
  void add_slopes(int64_t start, int64_t m, const Matrix& weights, Matrix& slopes) {
    walk(start, m, [&](int64_t j, int64_t d, int64_t i, double c, double s) {
      slopes(d, i) += weights(j, i) * (slope_ * static_cast<double>(start + j) * 2 * s * c);
    });
  }

 private:
  /// f(j, d, i, cosine, sine) of the half angles.
  template <class F>
  void walk(int64_t start, int64_t m, F f) {
    for (int64_t d = 0; d < turn_.rows(); ++d) {
      for (int64_t i = 0; i < tokens(); ++i) {
        const double halves = turn_(d, i) * static_cast<double>(start);
        const double rest = std::fma(turn_(d, i), static_cast<double>(start), -halves);
        const double angle = std::numbers::pi * (halves - 2 * std::rint(halves / 2) + rest);
        cos_(d, i) = std::cos(angle);
        sin_(d, i) = std::sin(angle);
      }
      double *c = &cos_(d, 0), *s = &sin_(d, 0);
      const double *c_step = &cos_step_(d, 0), *s_step = &sin_step_(d, 0);
      for (int64_t j = 0; j < m; ++j)
        for (int64_t i = 0; i < tokens(); ++i) {
          f(j, d, i, c[i], s[i]);
          const double next = c[i] * c_step[i] - s[i] * s_step[i];
          s[i] = s[i] * c_step[i] + c[i] * s_step[i];
          c[i] = next;
        }
    }
  }

  double lift_ = 0, slope_ = 0;
  Matrix turn_, cos_, sin_, cos_step_, sin_step_;
};

/// What a thread keeps from tile to tile.
struct Scratch {
  Entries entries;
  Matrix N, w, u, result;

  static Scratch& of_thread() {
    thread_local Scratch scratch;
    return scratch;
  }
};

/// f(row, head, first, n) for tiles of tokens, or of places.
template <class F>
void for_tiles(const Sizes& s, int64_t worth, F f) {
  parallel_for(s.B * s.H * s.tiles(), worth, [&](int64_t unit) {
    const int64_t first = unit % s.tiles() * kTile, matrix = unit / s.tiles();
    f(matrix / s.H, matrix % s.H, first, std::min(kTile, s.L - first));
  });
}
int64_t entries_worth(const Sizes& s) { return s.B * s.H * s.L * s.L * (8 * s.E + 2 * s.P); }

template <class T>
void gather_entries(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& y) {
  const Sizes sizes(x, w);
  for_tiles(sizes, entries_worth(sizes), [&](int64_t row, int64_t head, int64_t first, int64_t n) {
    Scratch& s = Scratch::of_thread();
    s.entries.load<T>(basis, x, row, first, n, head);
    s.result.setZero(n, sizes.P);
    for (int64_t start = 0; start < sizes.L; start += kTile) {
      const int64_t m = std::min(kTile, sizes.L - start);
      load_rows<T>(w, row, start, m, head, s.w);
      s.entries.write(start, m, s.N);
      multiply_matrices(s.N.transpose(), s.w, s.result, 1.0);
    }
    store_rows<T>(s.result, y, row, first, head);
  });
}

template <class T>
void spread_entries(const VandermondeBasis& basis, const Tensor& x, const Tensor& u, const Tensor& S) {
  const Sizes sizes(x, u);
  for_tiles(sizes, entries_worth(sizes), [&](int64_t row, int64_t head, int64_t start, int64_t m) {
    Scratch& s = Scratch::of_thread();
    s.result.setZero(m, sizes.P);
    for (int64_t first = 0; first < sizes.L; first += kTile) {
      const int64_t n = std::min(kTile, sizes.L - first);
      load_rows<T>(u, row, first, n, head, s.u);
      s.entries.load<T>(basis, x, row, first, n, head);
      s.entries.write(start, m, s.N);
      multiply_matrices(s.N, s.u, s.result, 1.0);
    }
    store_rows<T>(s.result, S, row, start, head);
  });
}

template <class T>
void slope_entries(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& u, const Tensor& dx) {
  const Sizes sizes(x, u);
  for_tiles(sizes, entries_worth(sizes), [&](int64_t row, int64_t head, int64_t first, int64_t n) {
    Scratch& s = Scratch::of_thread();
    s.entries.load<T>(basis, x, row, first, n, head);
    load_rows<T>(u, row, first, n, head, s.u);
    s.result.setZero(sizes.E, n);
    for (int64_t start = 0; start < sizes.L; start += kTile) {
      const int64_t m = std::min(kTile, sizes.L - start);
      load_rows<T>(w, row, start, m, head, s.w);
      s.N.resize(m, n);
      multiply_matrices(s.w, s.u.transpose(), s.N);
      s.entries.add_slopes(start, m, s.N, s.result);
    }
    store_rows<T>(s.result.transpose(), dx, row, first, head);
  });
}

/// The taps of one number, in loops that vectorise.
template <class A>
class Taps {
 public:
  Taps(const VandermondeBasis& basis, double x) : spot_(basis.grid, basis.eps, x), count_(spot_.count(basis.grid)) {
    const A lift = static_cast<A>(basis.lift);
    if (spot_.small())
      for (int r = 0; r < Grid::kMoments; ++r) keep(r, spot_.on_moment(lift, r));
    else
      for (int a = 0; a < Grid::kMostTaps; ++a) keep(a, spot_.on_grid(basis.grid, a));
    if (!spot_.small() && basis.lift != 0) lifted_ = -lift;
  }
  /// f(weight, row).
  template <class F>
  [[gnu::always_inline]] void weigh(const Grid& grid, F f) const {
    for (int a = 0; a < count_; ++a) f(value_[a], grid.row(spot_.first + a));
    if (lifted_ != 0) f(lifted_, grid.points());  // the ones: the moment of j^0
  }
  /// f(derivative of the weight, row).
  template <class F>
  [[gnu::always_inline]] void lean(const Grid& grid, F f) const {
    for (int a = 0; a < count_; ++a) f(slope_[a], grid.row(spot_.first + a));
  }

 private:
  void keep(int a, const Tap<A>& tap) {
    value_[a] = tap.value;
    slope_[a] = tap.slope;
  }

  Spot<A> spot_;
  int count_;
  A lifted_ = 0;
  A value_[Grid::kMostTaps], slope_[Grid::kMostTaps];
};

template <class T>
void gather_grid(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& y) {
  const Sizes s(x, w);
  for_tiles(s, s.B * s.L * s.H * s.E * s.P * 16, [&](int64_t row, int64_t head, int64_t first, int64_t n) {
    std::vector<T> sum(static_cast<size_t>(s.P));
    for (int64_t i = first; i < first + n; ++i) {
      std::ranges::fill(sum, T(0));
      for (int64_t d = 0; d < s.E; ++d) {
        const Taps<T> taps(basis, static_cast<double>(place<T>(x, row, i, head)[d]));
        taps.weigh(basis.grid, [&](T factor, int64_t m) {
          const T* from = place<T>(w, row, m, head);
          for (int64_t p = 0; p < s.P; ++p) sum[static_cast<size_t>(p)] += factor * from[p];
        });
      }
      T* to = place<T>(y, row, i, head);
      for (int64_t p = 0; p < s.P; ++p) to[p] = sum[static_cast<size_t>(p)];
    }
  });
}

/// One thread a row and head: the tokens are added in their order.
template <class T>
void spread_grid(const VandermondeBasis& basis, const Tensor& x, const Tensor& u, const Tensor& S) {
  const Sizes s(x, u);
  parallel_for(s.B * s.H, s.B * s.L * s.H * s.E * s.P * 16, [&](int64_t matrix) {
    const int64_t row = matrix / s.H, head = matrix % s.H;
    for (int64_t m = 0; m < S.dim(1); ++m) std::fill_n(place<T>(S, row, m, head), s.P, T(0));
    for (int64_t i = 0; i < s.L; ++i) {
      const T* from = place<T>(u, row, i, head);
      for (int64_t d = 0; d < s.E; ++d) {
        const Taps<T> taps(basis, static_cast<double>(place<T>(x, row, i, head)[d]));
        taps.weigh(basis.grid, [&](T factor, int64_t m) {
          T* to = place<T>(S, row, m, head);
          for (int64_t p = 0; p < s.P; ++p) to[p] += factor * from[p];
        });
      }
    }
  });
}

template <class T>
void slope_grid(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& u, const Tensor& dx) {
  const Sizes s(x, u);
  for_tiles(s, s.B * s.L * s.H * s.E * s.P * 16, [&](int64_t row, int64_t head, int64_t first, int64_t n) {
    std::vector<T> sum(static_cast<size_t>(s.P));
    for (int64_t i = first; i < first + n; ++i)
      for (int64_t d = 0; d < s.E; ++d) {
        std::ranges::fill(sum, T(0));
        const Taps<T> taps(basis, static_cast<double>(place<T>(x, row, i, head)[d]));
        taps.lean(basis.grid, [&](T factor, int64_t m) {
          const T* from = place<T>(w, row, m, head);
          for (int64_t p = 0; p < s.P; ++p) sum[static_cast<size_t>(p)] += factor * from[p];
        });
        const T* own = place<T>(u, row, i, head);
        place<T>(dx, row, i, head)[d] = sum_of<T>(s.P, [&](int64_t p) { return sum[static_cast<size_t>(p)] * own[p]; });
      }
  });
}

}  // namespace

void vandermonde_gather(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& y) {
  dispatch_wide(w.dtype(), "vandermonde", [&]<class T>() {
    basis.grid.n > 0 ? gather_grid<T>(basis, x, w, y) : gather_entries<T>(basis, x, w, y);
  });
}

void vandermonde_spread(const VandermondeBasis& basis, const Tensor& x, const Tensor& u, const Tensor& S) {
  dispatch_wide(u.dtype(), "vandermonde", [&]<class T>() {
    basis.grid.n > 0 ? spread_grid<T>(basis, x, u, S) : spread_entries<T>(basis, x, u, S);
  });
}

void vandermonde_slope(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& u,
                       const Tensor& dx) {
  dispatch_wide(u.dtype(), "vandermonde", [&]<class T>() {
    basis.grid.n > 0 ? slope_grid<T>(basis, x, w, u, dx) : slope_entries<T>(basis, x, w, u, dx);
  });
}

void vandermonde_tables(const Grid& grid, const Tensor& filter, const Tensor& powers) {
  const Filter rule(grid);
  dispatch_wide(filter.dtype(), "vandermonde", [&]<class T>() {
    parallel_for(grid.L, grid.L * Filter::kNodes * 16, [&](int64_t j) {
      filter.data<T>()[j] = static_cast<T>(rule.at(j));
      grid.write_powers(j, powers.data<T>() + j * Grid::kMoments);
    });
  });
}

}  // namespace matmix::cpu
