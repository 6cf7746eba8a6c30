#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include "ops/elementwise/vector_math.h"
#include "ops/matmul/tile_matrix.h"
#include "ops/quasiseparable/quasiseparable_kernels.h"
#include "tensor/create.h"
#include "tensor/parallel.h"
#include "tensor/wide.h"

// What the CPU stages share: one chunk of tokens, its step sizes, and the small matrices of a tile, which is one chunk
// and one group of heads. Row i of a direction reads what its C row reads: the token i, or with shift the one walked
// before it.
namespace matmix::cpu::quasi {

using Chunk = QuasiseparableChunk;

template <class A>
using Matrix = TileMatrix<A>;
template <class A>
using Vector = Eigen::Vector<A, Eigen::Dynamic>;
template <class A>
using MatrixMap = Eigen::Map<Matrix<A>>;
template <class A>
using VectorMap = Eigen::Map<Vector<A>>;

/// Element [b, l, h], or row [b, l, h, :], of a tensor.
template <class A>
struct View {
  A* data;
  int64_t b, l, h;

  explicit View(const Tensor& t) : data(t.data<A>()), b(t.stride(0)), l(t.stride(1)), h(t.stride(2)) {}
  A* at(int64_t row, int64_t token, int64_t head) const { return data + row * b + token * l + head * h; }
};

/// The rows [b, l, h, :] of a tensor that holds A, or what is rounded from it, read and written as A.
template <class A>
class TokenRows {
 public:
  explicit TokenRows(const Tensor& t)
      : dtype_(t.dtype()),
        data_(static_cast<std::byte*>(t.raw())),
        size_(static_cast<int64_t>(size_of(dtype_))),
        b_(t.stride(0)),
        l_(t.stride(1)),
        h_(t.stride(2)),
        width_(t.dim(3)) {
    check_wide<A>(dtype_, "tokens");
  }

  void read(int64_t row, int64_t token, int64_t head, A* to) const {
    widen(dtype_, at(row, token, head), 1, width_, to);
  }
  void write(int64_t row, int64_t token, int64_t head, const A* from) const {
    narrow(dtype_, from, width_, at(row, token, head), 1);
  }

 private:
  void* at(int64_t row, int64_t token, int64_t head) const {
    return data_ + (row * b_ + token * l_ + head * h_) * size_;
  }

  DType dtype_;
  std::byte* data_;
  int64_t size_, b_, l_, h_, width_;
};

/// The positions of a chunk in the order in which a direction walks them.
struct Walk {
  int direction;
  int64_t length;

  int64_t at(int64_t p) const { return direction == 0 ? p : length - 1 - p; }
  /// The first p positions of the walk are the `p` tokens from begin(p) on.
  int64_t begin(int64_t p) const { return direction == 0 ? 0 : length - p; }
};

/// Of one chunk, head and direction, by position: step size, log decay A dt, decay from the chunk's edge to what row i
/// reads, decay from token j to the other edge; and the decay across the whole chunk.
template <class A>
struct Steps {
  VectorMap<A> dt, log_decay, enter, leave;
  A& total;
};

/// A call: the inputs, their sizes and the steps of all chunks.
template <class A>
struct Problem {
  const QuasiseparableValues& v;
  int64_t L = v.x.dim(1), H = v.x.dim(2), P = v.x.dim(3), G = v.B[v.first_direction].dim(2),
          N = v.B[v.first_direction].dim(3);
  QuasiseparableChunkTable chunks = v.chunks();
  int64_t heads = H / G;  // of a group
  Tensor steps = empty({chunks.count, H, 2, 4 * v.Q + 1}, dtype_of<A>());

  std::span<const int> directions() const {
    static constexpr int kBoth[] = {0, 1};
    return std::span(kBoth).subspan(static_cast<size_t>(v.first_direction), static_cast<size_t>(v.directions()));
  }
  /// Columns, or rows, of a matrix that holds N of them for each direction.
  int64_t width() const { return v.directions() * N; }
  auto columns(Matrix<A>& m, int direction) const { return m.middleCols((direction - v.first_direction) * N, N); }
  MatrixMap<A> rows(MatrixMap<A> m, int direction) const {
    return {m.data() + (direction - v.first_direction) * N * P, N, P};
  }

  Steps<A> steps_of(const Chunk& c, int64_t h, int direction) const {
    A* s = steps.data<A>() + ((c.index * H + h) * 2 + direction) * (4 * v.Q + 1);
    const auto part = [&](int64_t k) { return VectorMap<A>(s + k * v.Q, c.length); };
    return {part(0), part(1), part(2), part(3), s[4 * v.Q]};
  }
  /// [width(), P], forward rows first.
  MatrixMap<A> state(const Tensor& states, const Chunk& c, int64_t h) const {
    return {states.data<A>() + (c.index * H + h) * width() * P, width(), P};
  }
  /// A of head h.
  A rate(int64_t h) const { return v.A_log.defined() ? -std::exp(v.A_log.data<A>()[h]) : A(0); }
  /// f(chunk, group) for every tile.
  template <class F>
  void for_tiles(F f) const {
    parallel_for(chunks.count * G, chunks.count * H * v.Q * N * P, [&](int64_t i) { f(chunks.at(i / G), i % G); });
  }
};

/// What would be subnormal is 0: it adds nothing and takes long.
template <class A>
[[gnu::always_inline]] inline A flush(A decay) {
  constexpr A kLeast = sizeof(A) == 8 ? A(1e-304) : A(1e-35);
  return decay < kLeast ? A(0) : decay;
}
/// e^sum of log decays, which are never positive.
template <class A>
[[gnu::always_inline]] inline A decay(A sum) {
  return flush(math::exp(sum > 0 ? A(0) : sum));
}

/// What the heads of a group share.
template <class A>
struct GroupTile {
  Matrix<A> B, C;         ///< [length, width()] as the rows see them: forward columns first; 0 where C reads nothing
  Matrix<A> G;            ///< C_i . B_j of the direction that (i, j) belongs to, 0 if there is none
  Vector<A> diagonal[2];  ///< C_i . B_i, which belongs to both

  void load(const Problem<A>& p, const Chunk& c, int64_t g) {
    B.resize(c.length, p.width());
    C.setZero(c.length, p.width());
    for (const int direction : p.directions()) {
      auto to_B = p.columns(B, direction), to_C = p.columns(C, direction);
      const TokenRows<A> from_B(p.v.B[direction]), from_C(p.v.C[direction]);
      for (int64_t i = 0; i < c.length; ++i) {
        from_B.read(c.row, c.start + i, g, &to_B(i, 0));
        const int64_t read = c.token_read(direction, i, p.v.shift);
        if (read >= 0) from_C.read(c.row, read, g, &to_C(i, 0));
      }
    }
  }

  void multiply_products(const Problem<A>& p) {
    Matrix<A> products(B.rows(), B.rows());
    G.setZero(B.rows(), B.rows());
    for (const int direction : p.directions()) {
      multiply_matrices(p.columns(C, direction), p.columns(B, direction).transpose(), products);
      diagonal[direction] = products.diagonal();
      if (direction == 0)
        G.template triangularView<Eigen::StrictlyLower>() = products;
      else
        G.template triangularView<Eigen::StrictlyUpper>() = products;
    }
  }
};

/// Of one head: scaled_ij = decay from j to what row i reads, times dt_j; plain_ij: without dt_j; diagonals 0. The
/// products start anew in every column, so nothing is divided and no difference of long sums is taken.
template <class A>
struct Decays {
  Matrix<A> plain, scaled;
  Vector<A> step, carried;  ///< decay of each token; decay from each token to what the row at hand reads

  void resize(int64_t length) {
    plain.setZero(length, length);
    scaled.setZero(length, length);
    step.resize(length);
    carried.resize(length);
  }

  /// The triangle of one direction. Rows in the order of the walk: each adds one step to the decays of those before it.
  void fill(int direction, const Steps<A>& s, int64_t shift) {
    const Walk walk{direction, step.size()};
    for (int64_t j = 0; j < walk.length; ++j) step[j] = decay(s.log_decay[j]);
    carried.setOnes();
    for (int64_t k = 1; k < walk.length; ++k) {
      const int64_t read = k - shift, first_read = walk.begin(read), first = walk.begin(k);
      const A next = step[walk.at(read)];
      for (int64_t j = first_read; j < first_read + read; ++j) carried[j] = flush(carried[j] * next);
      A *row = &plain(walk.at(k), 0), *scaled_row = &scaled(walk.at(k), 0);
      for (int64_t j = first; j < first + k; ++j) {
        row[j] = carried[j];
        scaled_row[j] = carried[j] * s.dt[j];
      }
    }
  }
};

/// The matrices of one tile. One a thread, kept from tile to tile: fresh memory for each would cost page faults.
template <class A>
struct Scratch {
  GroupTile<A> tile;
  Decays<A> decays;
  Matrix<A> x, y, W, scaled;
  Matrix<A> dy, dx, dW, K, U, V;  // of a head
  Matrix<A> dB, dC, dG;           // summed over the heads of a group
  Vector<A> dG_diagonal[2];

  static Scratch& of_thread() {
    thread_local Scratch scratch;
    return scratch;
  }
};

/// Rows [length, P] of one chunk and head.
template <class A>
void load(const Problem<A>& p, const Tensor& from, const Chunk& c, int64_t h, Matrix<A>& to) {
  const TokenRows<A> rows(from);
  to.resize(c.length, p.P);
  for (int64_t i = 0; i < c.length; ++i) rows.read(c.row, c.start + i, h, &to(i, 0));
}
template <class A>
void store(const Matrix<A>& from, const Chunk& c, int64_t h, const Tensor& to) {
  const TokenRows<A> rows(to);
  for (int64_t i = 0; i < c.length; ++i) rows.write(c.row, c.start + i, h, &from(i, 0));
}

/// Each direction's columns of m, its rows scaled by factors(direction).
template <class A, class F>
void scale_rows(const Problem<A>& p, Matrix<A>& m, F factors, Matrix<A>& scaled) {
  scaled.resize(m.rows(), m.cols());
  for (const int direction : p.directions())
    p.columns(scaled, direction) = factors(direction).asDiagonal() * p.columns(m, direction);
}

/// W of one head: decays o G off the diagonal, delta (and without shift every direction) on it.
template <class A>
void fill_matrix(const Problem<A>& p, const Chunk& c, int64_t h, Scratch<A>& s) {
  for (const int direction : p.directions()) s.decays.fill(direction, p.steps_of(c, h, direction), p.v.shift);
  s.W = s.decays.scaled.cwiseProduct(s.tile.G);
  if (p.v.delta.defined()) {
    const View<A> delta(p.v.delta);
    for (int64_t i = 0; i < c.length; ++i) s.W(i, i) = *delta.at(c.row, c.start + i, h);
  }
  if (p.v.shift) return;
  for (const int direction : p.directions())
    s.W.diagonal() += s.tile.diagonal[direction].cwiseProduct(p.steps_of(c, h, direction).dt);
}

}  // namespace matmix::cpu::quasi
