#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/attention/attention_kernels.h"
#include "ops/matmul/tile_matrix.h"
#include "ops/reduce/row_cpu.h"
#include "tensor/parallel.h"

// Queries go in tiles of Q tokens, keys in tiles of kKeys, both cut from the start of their run. Forward a thread takes
// a tile of queries and meets the keys in order; backward it takes a run and a head, so that dk and dv are whole.
namespace matmix::cpu {
namespace {

constexpr int64_t kKeys = 256;

template <class A>
using Column = Eigen::Vector<A, Eigen::Dynamic>;

/// Tokens [start, start + length) of one row and head as a matrix [length, width], times `scale`.
template <class T, class A>
void load(const Tensor& x, int64_t row, int64_t start, int64_t length, int64_t head, A scale, TileMatrix<A>& to) {
  const int64_t width = x.dim(3);
  to.resize(length, width);
  const T* from = x.data<T>() + row * x.stride(0) + start * x.stride(1) + head * x.stride(2);
  for (int64_t i = 0; i < length; ++i, from += x.stride(1))
    for (int64_t c = 0; c < width; ++c) to(i, c) = static_cast<A>(from[c]) * scale;
}

template <class T, class A>
void store(const TileMatrix<A>& from, A scale, const Tensor& x, int64_t row, int64_t start, int64_t head) {
  T* to = x.data<T>() + row * x.stride(0) + start * x.stride(1) + head * x.stride(2);
  for (int64_t i = 0; i < from.rows(); ++i, to += x.stride(1))
    for (int64_t c = 0; c < from.cols(); ++c) to[c] = static_cast<T>(from(i, c) * scale);
}

/// e^x for x <= 0. What would be subnormal is 0: it adds nothing and takes long.
template <class A>
[[gnu::always_inline]] inline A weight(A x) {
  constexpr A kLeast = sizeof(A) == 8 ? -700 : -80;
  const A e = math::exp(x);
  return x < kLeast ? A(0) : e;
}

/// A call and what its tiles share.
template <class T>
struct Problem {
  using A = Accumulator<T>;
  const AttentionValues& values;
  AttentionTiles tiles = values.tiles();
  int64_t L = values.v.dim(1), H = values.v.dim(2), E = values.q.dim(3), P = values.v.dim(3);

  A* log_sums(const Tensor& lse, int64_t row, int64_t head) const { return lse.data<A>() + (row * H + head) * L; }
  /// How many of the keys [j, j + n) token i attends to: they are the first ones.
  int64_t seen(int64_t i, int64_t j, int64_t n) const {
    return values.causal ? std::clamp<int64_t>(i - j + 1, 0, n) : n;
  }
  /// f(tile, head) for every tile of queries, in parallel.
  template <class F>
  void for_tiles(F f) const {
    parallel_for(tiles.count * H, 2 * tiles.count * H * values.Q * L * (E + P),
                 [&](int64_t i) { f(tiles.at(i / H), i % H); });
  }
};

/// The matrices of a thread, kept from tile to tile.
template <class A>
struct Scratch {
  TileMatrix<A> q, k, v, y, scores;
  TileMatrix<A> dy, dq, dk, dv, weights;  // of backward, where q, y, dy and dq are those of a whole run
  Column<A> maxima, sums;

  static Scratch& of_thread() {
    thread_local Scratch scratch;
    return scratch;
  }
};

/// One row of scores becomes weights e^(s - m) for the largest score m so far, and what came before is scaled to it.
template <class A>
void soften_row(A* scores, int64_t seen, int64_t n, A& maximum, A& sum, Eigen::Ref<Eigen::RowVector<A, -1>> y) {
  std::fill(scores + seen, scores + n, A(0));
  if (seen == 0) return;
  const A m = larger(max_of<A>(scores, seen), maximum), kept = weight(maximum - m);
  for (int64_t j = 0; j < seen; ++j) scores[j] = weight(scores[j] - m);
  sum = kept * sum + sum_of<A>(seen, [=](int64_t j) { return scores[j]; });
  y *= kept;
  maximum = m;
}

template <class T>
void attend(const Problem<T>& p, const AttentionTile& tile, int64_t h, const Tensor& y, const Tensor& lse) {
  using A = Accumulator<T>;
  Scratch<A>& s = Scratch<A>::of_thread();
  load<T>(p.values.q, tile.row, tile.start, tile.length, h, static_cast<A>(p.values.scale), s.q);
  s.y.setZero(tile.length, p.P);
  s.sums.setZero(tile.length);
  s.maxima.setConstant(tile.length, std::numeric_limits<A>::lowest());
  const int64_t end = p.values.causal ? tile.start + tile.length : tile.end;
  for (int64_t j = tile.begin; j < end; j += kKeys) {
    const int64_t n = std::min(kKeys, end - j);
    load<T>(p.values.k, tile.row, j, n, h, A(1), s.k);
    load<T>(p.values.v, tile.row, j, n, h, A(1), s.v);
    s.scores.resize(tile.length, n);
    multiply_matrices(s.q, s.k.transpose(), s.scores);
    for (int64_t i = 0; i < tile.length; ++i)
      soften_row<A>(&s.scores(i, 0), p.seen(tile.start + i, j, n), n, s.maxima[i], s.sums[i], s.y.row(i));
    multiply_matrices(s.scores, s.v, s.y, A(1));
  }
  A* const log_sums = p.log_sums(lse, tile.row, h) + tile.start;
  for (int64_t i = 0; i < tile.length; ++i) {
    s.y.row(i) /= s.sums[i];
    log_sums[i] = s.maxima[i] + std::log(s.sums[i]);
  }
  store<T>(s.y, A(1), y, tile.row, tile.start, h);
}

/// Of one run and head: dq, and key tile by key tile dk and dv.
template <class T>
class RunGradient {
  using A = Accumulator<T>;

 public:
  /// `run`: its first tile.
  RunGradient(const Problem<T>& p, const AttentionTile& run, int64_t h, const Tensor& y, const Tensor& lse,
              const Tensor& dy)
      : p_(p), run_(run), h_(h), log_sums_(p.log_sums(lse, run.row, h) + run.begin), s_(Scratch<A>::of_thread()) {
    const int64_t length = run.end - run.begin;
    load<T>(p.values.q, run.row, run.begin, length, h, static_cast<A>(p.values.scale), s_.q);
    load<T>(y, run.row, run.begin, length, h, A(1), s_.y);
    load<T>(dy, run.row, run.begin, length, h, A(1), s_.dy);
    s_.sums = s_.y.cwiseProduct(s_.dy).rowwise().sum();  // dy_i . y_i, the mean of dy_i . v_j
    s_.dq.setZero(length, p.E);
  }

  void write(const AttentionGradients& to) {
    const int64_t length = run_.end - run_.begin;
    for (int64_t j = 0; j < length; j += kKeys) {
      const int64_t n = std::min(kKeys, length - j);
      load<T>(p_.values.k, run_.row, run_.begin + j, n, h_, A(1), s_.k);
      load<T>(p_.values.v, run_.row, run_.begin + j, n, h_, A(1), s_.v);
      s_.dk.setZero(n, p_.E);
      s_.dv.setZero(n, p_.P);
      for (int64_t i = p_.values.causal ? j : 0; i < length; i += p_.values.Q)
        add(i, std::min(p_.values.Q, length - i), j, n);
      store<T>(s_.dk, A(1), to.dk, run_.row, run_.begin + j, h_);
      store<T>(s_.dv, A(1), to.dv, run_.row, run_.begin + j, h_);
    }
    store<T>(s_.dq, static_cast<A>(p_.values.scale), to.dq, run_.row, run_.begin, h_);
  }

 private:
  /// What queries [i, i + m) and keys [j, j + n) give each other. q is scaled already, so dk needs no scale.
  void add(int64_t i, int64_t m, int64_t j, int64_t n) {
    const auto q = s_.q.middleRows(i, m), dy = s_.dy.middleRows(i, m);
    s_.weights.resize(m, n);
    s_.scores.resize(m, n);
    multiply_matrices(q, s_.k.transpose(), s_.weights);
    for (int64_t r = 0; r < m; ++r) {
      A* const row = &s_.weights(r, 0);
      const int64_t seen = p_.seen(i + r, j, n);
      for (int64_t c = 0; c < seen; ++c) row[c] = weight(row[c] - log_sums_[i + r]);
      std::fill(row + seen, row + n, A(0));
    }
    multiply_matrices(s_.weights.transpose(), dy, s_.dv, A(1));
    multiply_matrices(dy, s_.v.transpose(), s_.scores);
    for (int64_t r = 0; r < m; ++r)
      s_.scores.row(r) = s_.weights.row(r).array() * (s_.scores.row(r).array() - s_.sums[i + r]);
    multiply_matrices(s_.scores, s_.k, s_.dq.middleRows(i, m), A(1));
    multiply_matrices(s_.scores.transpose(), q, s_.dk, A(1));
  }

  const Problem<T>& p_;
  const AttentionTile run_;
  const int64_t h_;
  const A* const log_sums_;
  Scratch<A>& s_;
};

}  // namespace

void attention_forward(const AttentionValues& values, const Tensor& y, const Tensor& lse) {
  dispatch_float(values.v.dtype(), "attention", [&]<class T>() {
    const Problem<T> p{values};
    p.for_tiles([&](const AttentionTile& tile, int64_t h) { attend(p, tile, h, y, lse); });
  });
}

void attention_backward(const AttentionValues& values, const Tensor& y, const Tensor& lse, const Tensor& dy,
                        const AttentionGradients& to) {
  dispatch_float(values.v.dtype(), "attention", [&]<class T>() {
    const Problem<T> p{values};
    p.for_tiles([&](const AttentionTile& tile, int64_t h) {
      if (tile.start == tile.begin) RunGradient<T>(p, tile, h, y, lse, dy).write(to);
    });
  });
}

}  // namespace matmix::cpu
