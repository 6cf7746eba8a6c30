#pragma once

#include "ops/elementwise/vector_math.h"
#include "ops/quasiseparable/quasiseparable_kernels.h"
#include "tensor/cuda/tile_product.cuh"

// What the CUDA stages share. A chunk fits in one tile, so its tokens are rows and columns of tiles; T is x's type.
namespace matmix::cuda::quasi {

using Chunk = QuasiseparableChunk;

inline constexpr int kHeadsABlock = 8;  // where a warp takes a head

/// Element [b, l, h], or row [b, l, h, :], of a tensor; null if undefined.
template <class T>
struct View {
  T* data = nullptr;
  int64_t b = 0, l = 0, h = 0;

  explicit View(const Tensor& t) {
    if (!t.defined()) return;
    data = t.data<std::remove_const_t<T>>();
    b = t.stride(0), l = t.stride(1), h = t.stride(2);
  }
  __device__ T* at(int64_t row, int64_t token, int64_t head) const { return data + row * b + token * l + head * h; }
};

template <class T>
T* data_or_null(const Tensor& t) {
  return t.defined() ? t.data<T>() : nullptr;
}

/// What enters each run and what leaves it, by direction: [runs, H, P, N] or null.
template <class A>
struct RunStates {
  const A* entering[2];
  A* leaving[2];
  bool one_for_all;  ///< entering is [H, P, N]

  RunStates(const std::array<Tensor, 2>& from, const std::array<Tensor, 2>& to)
      : entering{data_or_null<A>(from[0]), data_or_null<A>(from[1])},
        leaving{data_or_null<A>(to[0]), data_or_null<A>(to[1])},
        one_for_all((from[0].defined() && from[0].rank() == 3) || (from[1].defined() && from[1].rank() == 3)) {}

  // Constant indices: a parameter indexed by a variable is copied to every thread's stack.
  __device__ const A* entering_from(int direction) const { return direction == 0 ? entering[0] : entering[1]; }
  __device__ A* leaving_to(int direction) const { return direction == 0 ? leaving[0] : leaving[1]; }
};

/// The inputs, and where the first stages leave what the others read.
template <class T>
struct Problem {
  using A = Accumulator<T>;
  static constexpr int kEdge = Tile<T>::kEdge;

  QuasiseparableChunkTable chunks;
  int64_t H, P, G, N;
  bool shift;
  int first, past, directions;  ///< the directions there are: [first, past)
  View<const T> x, B[2], C[2];
  View<const A> dt[2], delta;
  const A *dt_bias, *A_log;
  const int32_t* run_id;
  A* steps;      ///< [chunks, H, 2, 3, kEdge]: see Steps
  A* products;   ///< [chunks, G, kEdge, kEdge]: C_i . B_j of the direction that (i, j) belongs to
  A* diagonals;  ///< [chunks, G, 2, kEdge]: C_i . B_i, which belongs to both

  Problem(const QuasiseparableValues& v, const Tensor& steps_table, const Tensor& products_table,
          const Tensor& diagonals_table)
      : chunks(v.chunks()),
        H(v.x.dim(2)),
        P(v.x.dim(3)),
        G(v.B[v.first_direction].dim(2)),
        N(v.B[v.first_direction].dim(3)),
        shift(v.shift),
        first(v.first_direction),
        past(v.past_direction),
        directions(v.directions()),
        x(v.x),
        B{View<const T>(v.B[0]), View<const T>(v.B[1])},
        C{View<const T>(v.C[0]), View<const T>(v.C[1])},
        dt{View<const A>(v.dt[0]), View<const A>(v.dt[1])},
        delta(v.delta),
        dt_bias(data_or_null<A>(v.dt_bias)),
        A_log(data_or_null<A>(v.A_log)),
        run_id(data_or_null<int32_t>(v.run_id)),
        steps(steps_table.data<A>()),
        products(products_table.data<A>()),
        diagonals(diagonals_table.data<A>()) {}

  __device__ int64_t group(int64_t h) const { return h / (H / G); }
  __device__ A rate(int64_t h) const { return A_log != nullptr ? -math::exp(A_log[h]) : A(0); }
  __device__ A* steps_of(int64_t chunk, int64_t h) const { return steps + (chunk * H + h) * 6 * kEdge; }
  /// Row n of the state of one chunk, head and direction: P values.
  __device__ A* state(A* states, int64_t chunk, int64_t h, int direction, int64_t n) const {
    return states + (((chunk * H + h) * directions + direction - first) * N + n) * P;
  }
  /// The N values of B, or of C, that row i of a chunk sees, from n on; null where C reads nothing.
  __device__ const T* seen(bool of_B, const Chunk& c, int direction, int i, int64_t g, int64_t n) const {
    if (of_B) return B[direction].at(c.row, c.start + i, g) + n;
    const int64_t token = c.token_read(direction, i, shift);
    return token < 0 ? nullptr : C[direction].at(c.row, token, g) + n;
  }
};

// Tiles of the operands. All threads must call.

/// Rows: tokens of the chunk; columns: B, or C, of one direction and group from n on, scaled.
template <class T, class Scale = Unscaled>
__device__ void fill_seen(Tile<T>& tile, const Problem<T>& p, bool of_B, const Chunk& c, int direction, int64_t g,
                          int64_t n, Scale scale = {}) {
  const auto row = [&](int i) { return p.seen(of_B, c, direction, i, g, n); };
  fill_rows(tile, static_cast<int>(c.length), p.N - n, row, scale);
}
/// Rows: tokens of the chunk; columns: the head's part of x or dy from q on.
template <class T>
__device__ void fill_tokens(Tile<T>& tile, const Problem<T>& p, const View<const T>& x, const Chunk& c, int64_t h,
                            int64_t q) {
  const auto row = [&](int i) { return x.at(c.row, c.start + i, h) + q; };
  fill_rows(tile, static_cast<int>(c.length), p.P - q, row);
}
/// Rows: N from n on; columns: P from q on.
template <class T>
__device__ void fill_state(Tile<T>& tile, const Problem<T>& p, Accumulator<T>* states, const Chunk& c, int64_t h,
                           int direction, int64_t n, int64_t q) {
  const auto row = [&](int m) { return p.state(states, c.index, h, direction, n + m) + q; };
  fill_rows(tile, static_cast<int>(min(p.N - n, int64_t{Tile<T>::kEdge})), p.P - q, row);
}

/// The token number p of a direction's walk over `length` tokens; its own inverse.
__device__ inline int walked(int direction, int p, int length) { return direction == 0 ? p : length - 1 - p; }

/// e^sum of log decays, which are never positive.
template <class T>
__device__ Accumulator<T> decay_of(Accumulator<T> sum) {
  sum = sum > 0 ? Accumulator<T>(0) : sum;
  if constexpr (std::is_same_v<T, bfloat16>)
    return __expf(sum);
  else
    return exp(sum);
}

/// Of one chunk and head, by direction and token: step size, and the sum of log decays A dt up to and with the token,
/// in two parts (high is the rounded sum, low what rounding took), so that differences of sums keep their digits.
template <class T>
struct Steps {
  using A = Accumulator<T>;
  static constexpr int kEdge = Tile<T>::kEdge;
  A of[2][3][kEdge];
  int length;

  /// All threads must call, and sync before use.
  __device__ void load(const Problem<T>& p, const Chunk& c, int64_t h) {
    const A* const from = p.steps_of(c.index, h);
    for (int e = threadIdx.x; e < 6 * kEdge; e += blockDim.x) (&of[0][0][0])[e] = from[e];
    if (threadIdx.x == 0) length = static_cast<int>(c.length);
  }
  __device__ A dt(int direction, int j) const { return of[direction][0][j]; }
  /// From token j to token k, which is walked later or is j.
  __device__ A decay(int direction, int j, int k) const {
    const auto& s = of[direction];
    return decay_of<T>((s[1][k] - s[1][j]) + (s[2][k] - s[2][j]));
  }
  /// The token of the chunk that row i reads, may be outside [0, length).
  __device__ static int read(int direction, int i, bool shift) { return direction == 0 ? i - shift : i + shift; }
  /// From the chunk's edge to what row i reads.
  __device__ A enter(int direction, int i, bool shift) const {
    const int k = read(direction, i, shift);
    return k < 0 || k >= length ? A(1) : decay_of<T>(of[direction][1][k] + of[direction][2][k]);
  }
  /// From token j to the other edge.
  __device__ A leave(int direction, int j) const { return decay(direction, j, walked(direction, length - 1, length)); }
  /// From j to what row i reads, i != j: the direction is that in which j is walked before i.
  __device__ A between(int i, int j, bool shift) const {
    const int direction = i > j ? 0 : 1;
    return decay(direction, j, read(direction, i, shift));
  }
};

}  // namespace matmix::cuda::quasi
