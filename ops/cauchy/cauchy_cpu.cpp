#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/cauchy/cauchy_kernels.h"
#include "ops/matmul/tile_matrix.h"
#include "tensor/parallel.h"
#include "tensor/wide.h"

// Everything is by tiles of kTile tokens, laid out with the tokens last, so that loops over them vectorise.
namespace matmix::cpu {
namespace {

constexpr int64_t kTile = 64;
constexpr int64_t kGroup = 4;  // columns of q that share what is loaded of v

struct Sizes {
  int64_t B, L, H, E, P;

  Sizes(const Tensor& x, const Tensor& w) : B(x.dim(0)), L(x.dim(1)), H(x.dim(2)), E(x.dim(3)), P(w.dim(3)) {}
  int64_t tiles() const { return (L + kTile - 1) / kTile; }
};

/// The element (row, token, head, 0).
template <class T>
T* place(const Tensor& x, int64_t row, int64_t token, int64_t head) {
  return x.data<T>() + row * x.stride(0) + token * x.stride(1) + head * x.stride(2);
}

/// Tokens [first, first + n) of one row and head, as [n, width].
template <class T, class A>
void load_rows(const Tensor& x, int64_t row, int64_t first, int64_t n, int64_t head, TileMatrix<A>& to) {
  to.resize(n, x.dim(3));
  for (int64_t i = 0; i < n; ++i) {
    const T* from = place<T>(x, row, first + i, head);
    for (int64_t c = 0; c < x.dim(3); ++c) to(i, c) = static_cast<A>(from[c]);
  }
}

/// Column d of the same tokens, plus `shift`.
template <class A>
void load_column(const Tensor& x, int64_t row, int64_t first, int64_t n, int64_t head, int64_t d, A shift, A* to) {
  const A* from = place<A>(x, row, first, head) + d;
  for (int64_t i = 0; i < n; ++i) to[i] = from[i * x.stride(1)] + shift;
}

/// values[j, i] = f_{j+1}(x_i) and, if `slopes`, its derivative.
template <class A, bool kSlopes>
void features(const A* x, int64_t n, const A* nodes, int64_t terms, A* values, A* slopes) {
  A product[kTile], bend[kTile];  // prod (x - p) / (x + p) so far, and its derivative
  std::fill(product, product + n, A(1));
  std::fill(bend, bend + n, A(0));
  for (int64_t j = 0; j < terms; ++j, values += n) {
    const A p = nodes[j], factor = std::sqrt(2 * p);
    for (int64_t i = 0; i < n; ++i) {
      const A r = 1 / (x[i] + p), turn = (x[i] - p) * r;
      values[i] = factor * r * product[i];
      if constexpr (kSlopes) {
        slopes[j * n + i] = factor * r * (bend[i] - product[i] * r);
        bend[i] = bend[i] * turn + product[i] * (2 * p * r * r);
      }
      product[i] *= turn;
    }
  }
}

struct Range {
  double low = INFINITY, high = -INFINITY;
};

template <class A>
Range range_of(const Tensor& x, int64_t row, int64_t head, int64_t d) {
  Range range;
  const A* from = place<A>(x, row, 0, head) + d;
  for (int64_t i = 0; i < x.dim(1); ++i) {
    const auto value = static_cast<double>(from[i * x.stride(1)]);
    range.low = std::min(range.low, value);
    range.high = std::max(range.high, value);
  }
  return range;
}

/// The matrices of a thread, kept from tile to tile.
template <class A>
struct Scratch {
  TileMatrix<A> w, x, y, values, slopes, weights, own, other, down;

  static Scratch& of_thread() {
    thread_local Scratch scratch;
    return scratch;
  }
};

/// A tile of one side: tokens [first, first + n) of one row and head.
template <class T>
class SideTile {
  using A = Accumulator<T>;

 public:
  SideTile(const CauchySide& side, int64_t row, int64_t head, int64_t first)
      : side_(side),
        row_(row),
        head_(head),
        first_(first),
        n_(std::min(kTile, side.own.dim(1) - first)),
        E_(side.own.dim(3)),
        s_(Scratch<A>::of_thread()) {
    s_.y.setZero(n_, side.w.dim(3));
    s_.down.setZero(E_, n_);
    if (side.down.defined()) load_rows<T>(side.x, row, first, n_, head, s_.x);
  }

  /// By the sums Z [E * J, P], of which the first `rank` of every J exist.
  void sum_terms(const CauchyPlan& plan, const A* Z, int64_t rank) {
    const int64_t P = side_.w.dim(3), J = plan.J(), H = side_.own.dim(2);
    A x[kTile];
    s_.values.resize(rank, n_);
    s_.slopes.resize(rank, n_);
    s_.weights.resize(rank, n_);
    for (int64_t d = 0; d < E_; ++d) {
      const int64_t column = (row_ * H + head_) * E_ + d;
      const A shift = plan.shift.data<A>()[column], *nodes = plan.nodes.data<A>() + column * J;
      const Eigen::Map<const TileMatrix<A>> terms(Z + d * J * P, rank, P);
      load_column(side_.own, row_, first_, n_, head_, d, side_.own_is_a ? shift : -shift, x);
      if (!side_.down.defined()) {
        features<A, false>(x, n_, nodes, rank, s_.values.data(), nullptr);
      } else {
        features<A, true>(x, n_, nodes, rank, s_.values.data(), s_.slopes.data());
        multiply_matrices(terms, s_.x.transpose(), s_.weights);
        s_.down.row(d) = s_.slopes.cwiseProduct(s_.weights).colwise().sum();
      }
      if (side_.y.defined()) multiply_matrices(s_.values.transpose(), terms, s_.y, A(1));
    }
  }

  /// Entry by entry.
  void sum_entries() {
    s_.own.resize(E_, n_);
    for (int64_t d = 0; d < E_; ++d) load_column(side_.own, row_, first_, n_, head_, d, A(0), &s_.own(d, 0));
    for (int64_t start = 0; start < side_.other.dim(1); start += kTile)
      add_entries(start, std::min(kTile, side_.other.dim(1) - start));
  }

  void store() const {
    const A scale = static_cast<A>(side_.scale);
    for (int64_t i = 0; i < n_; ++i) {
      if (side_.y.defined()) {
        T* to = place<T>(side_.y, row_, first_ + i, head_);
        for (int64_t c = 0; c < side_.w.dim(3); ++c) to[c] = static_cast<T>(scale * s_.y(i, c));
      }
      if (side_.down.defined()) {
        A* to = place<A>(side_.down, row_, first_ + i, head_);
        for (int64_t d = 0; d < E_; ++d) to[d] = scale * s_.down(d, i);
      }
    }
  }

 private:
  /// What the others [start, start + m) add.
  void add_entries(int64_t start, int64_t m) {
    load_rows<T>(side_.w, row_, start, m, head_, s_.w);
    load_rows<A>(side_.other, row_, start, m, head_, s_.other);
    s_.values.setZero(m, n_);
    s_.weights.setZero(m, n_);
    if (side_.down.defined()) multiply_matrices(s_.w, s_.x.transpose(), s_.weights);
    for (int64_t j = 0; j < m; ++j)
      for (int64_t d = 0; d < E_; ++d) {
        const A other = s_.other(j, d), *own = &s_.own(d, 0), *weights = &s_.weights(j, 0);
        A *values = &s_.values(j, 0), *down = &s_.down(d, 0);
        for (int64_t i = 0; i < n_; ++i) {
          const A r = 1 / (own[i] + other);
          values[i] += r;
          down[i] -= weights[i] * r * r;
        }
      }
    if (side_.y.defined()) multiply_matrices(s_.values.transpose(), s_.w, s_.y, A(1));
  }

  const CauchySide& side_;
  const int64_t row_, head_, first_, n_, E_;
  Scratch<A>& s_;
};

/// Z of the columns [first_d, last_d) of one row and head.
template <class T>
void collect_columns(const Tensor& x, bool is_a, const Tensor& w, const CauchyPlan& plan, const Tensor& Z,
                     int64_t matrix, int64_t first_d, int64_t last_d) {
  using A = Accumulator<T>;
  const Sizes s(x, w);
  const int64_t row = matrix / s.H, head = matrix % s.H, J = plan.J(), rank = plan.rank.data<int64_t>()[matrix];
  Scratch<A>& scratch = Scratch<A>::of_thread();
  for (int64_t first = 0; first < s.L; first += kTile) {
    const int64_t n = std::min(kTile, s.L - first);
    A column[kTile];
    scratch.values.resize(rank, n);
    load_rows<T>(w, row, first, n, head, scratch.w);
    for (int64_t d = first_d; d < last_d; ++d) {
      const int64_t at = matrix * s.E + d;
      const A shift = plan.shift.data<A>()[at];
      load_column(x, row, first, n, head, d, is_a ? shift : -shift, column);
      features<A, false>(column, n, plan.nodes.data<A>() + at * J, rank, scratch.values.data(), nullptr);
      Eigen::Map<TileMatrix<A>> sum(Z.data<A>() + at * J * s.P, rank, s.P);
      multiply_matrices(scratch.values, scratch.w, sum, first == 0 ? A(0) : A(1));
    }
  }
}

}  // namespace

void cauchy_plan(const Tensor& a, const Tensor& b, const CauchyPlan& plan) {
  const int64_t H = a.dim(2), E = a.dim(3), J = plan.J();
  dispatch_wide(a.dtype(), "cauchy", [&]<class A>() {
    parallel_for(a.dim(0) * H, 2 * a.numel(), [&](int64_t unit) {
      double R = 2;
      std::vector<double> start(static_cast<size_t>(E));
      for (int64_t d = 0; d < E; ++d) {
        const Range of_a = range_of<A>(a, unit / H, unit % H, d), of_b = range_of<A>(b, unit / H, unit % H, d);
        start[static_cast<size_t>(d)] = (of_a.low + of_b.low) / 2;
        plan.shift.data<A>()[unit * E + d] = static_cast<A>((of_b.low - of_a.low) / 2);
        const double ratio = 1 + std::max(of_a.high - of_a.low, of_b.high - of_b.low) / start[static_cast<size_t>(d)];
        R = of_a.low > 0 && of_b.low > 0 ? std::max(R, ratio) : INFINITY;
      }
      const double terms = Zolotarev::terms(R, plan.accuracy);
      const int64_t rank = terms <= static_cast<double>(J) ? static_cast<int64_t>(terms) : 0;
      plan.rank.data<int64_t>()[unit] = rank;
      const Zolotarev zolotarev(R);
      for (int64_t j = 0; j < rank; ++j) {
        const double node = zolotarev.node(j, rank);
        for (int64_t d = 0; d < E; ++d)
          plan.nodes.data<A>()[(unit * E + d) * J + j] = static_cast<A>(start[static_cast<size_t>(d)] * node);
      }
    });
  });
}

void cauchy_collect(const Tensor& x, bool is_a, const Tensor& w, const CauchyPlan& plan, const Tensor& Z) {
  const Sizes s(x, w);
  const int64_t J = plan.J();
  dispatch_float(w.dtype(), "cauchy", [&]<class T>() {
    const int64_t groups = (s.E + kGroup - 1) / kGroup;
    parallel_for(s.B * s.H * groups, 2 * s.B * s.L * s.H * s.E * J * s.P, [&](int64_t unit) {
      const int64_t matrix = unit / groups, d = unit % groups * kGroup;
      if (plan.rank.data<int64_t>()[matrix] > 0)
        collect_columns<T>(x, is_a, w, plan, Z, matrix, d, std::min(s.E, d + kGroup));
    });
  });
}

void cauchy_apply(const CauchySide& side, const CauchyPlan& plan, const Tensor& Z) {
  const Sizes s(side.own, side.w);
  const int64_t J = plan.J();
  dispatch_float(side.w.dtype(), "cauchy", [&]<class T>() {
    using A = Accumulator<T>;
    parallel_for(s.B * s.H * s.tiles(), 2 * s.B * s.L * s.H * s.E * s.P, [&](int64_t unit) {
      const int64_t matrix = unit / s.tiles(), rank = plan.rank.data<int64_t>()[matrix];
      SideTile<T> tile(side, matrix / s.H, matrix % s.H, unit % s.tiles() * kTile);
      if (rank > 0)
        tile.sum_terms(plan, Z.data<A>() + matrix * s.E * J * s.P, rank);
      else
        tile.sum_entries();
      tile.store();
    });
  });
}

}  // namespace matmix::cpu
