#pragma once

#include "ops/quasiseparable/quasiseparable_device.cuh"
#include "ops/ssd/ssd_number.cuh"
#include "tensor/cuda/reduce.cuh"

// The stages. A chunk has at most kQ tokens, in the order of the walk; E_i = exp(A dt_i), and E_{j..i} the product of
// those from j to i, made by one multiplication a token: numbers of size at most 1, nothing is divided. Per number:
//   states  h_i = E_i h_{i-1} + dt_i x_i B_i,    W_ij = dt_j sum Re conj(C_i) E_{j+1..i} B_j,    y = W x + from the
//   state.
// Gradients of complex numbers are d / d re + i d / d im; that of log E is conj(u) du for every u that passes through
// E.
namespace matmix::cuda::ssd {

using quasi::Chunk;
using quasi::data_or_null;
using quasi::RunStates;
using quasi::View;

inline constexpr int kQ = 16, kThreads = 256;

/// The inputs, and where the first stages leave what the others read.
template <class T>
struct Problem {
  using A = Accumulator<T>;
  QuasiseparableChunkTable chunks;
  int64_t H, P, G, N, numbers;
  int direction;
  View<const T> x, B, C;
  View<const A> raw_dt, delta;
  const A *dt_bias, *A_log, *A_im;
  const int32_t* run_id;
  A* dt;      ///< [chunks, H, kQ]
  A* decays;  ///< [chunks, H, kQ, N]: E_i
  A* matrix;  ///< [chunks, H, kQ, kQ]: W, with delta on its diagonal

  Problem(const SsdValues& s, const Tensor& dt_table, const Tensor& decay_table, const Tensor& matrices)
      : chunks(s.v.chunks()),
        H(s.v.x.dim(2)),
        P(s.v.x.dim(3)),
        G(s.v.B[s.direction()].dim(2)),
        N(s.v.B[s.direction()].dim(3)),
        numbers(s.A_log.dim(1)),
        direction(s.direction()),
        x(s.v.x),
        B(s.v.B[s.direction()]),
        C(s.v.C[s.direction()]),
        raw_dt(s.v.dt[s.direction()]),
        delta(s.v.delta),
        dt_bias(data_or_null<A>(s.v.dt_bias)),
        A_log(s.A_log.data<A>()),
        A_im(data_or_null<A>(s.A_im)),
        run_id(data_or_null<int32_t>(s.v.run_id)),
        dt(dt_table.data<A>()),
        decays(decay_table.data<A>()),
        matrix(matrices.data<A>()) {}

  __device__ int64_t group(int64_t h) const { return h / (H / G); }
  /// The token that the walk meets at place i of a chunk.
  __device__ int64_t token(const Chunk& c, int64_t i) const {
    return c.start + (direction == 0 ? i : c.length - 1 - i);
  }
  __device__ const T* B_row(const Chunk& c, int64_t h, int64_t i) const { return B.at(c.row, token(c, i), group(h)); }
  __device__ const T* C_row(const Chunk& c, int64_t h, int64_t i) const { return C.at(c.row, token(c, i), group(h)); }
  __device__ A* decay_row(int64_t chunk, int64_t h, int64_t i) const { return decays + ((chunk * H + h) * kQ + i) * N; }
  __device__ A* dt_row(int64_t chunk, int64_t h) const { return dt + (chunk * H + h) * kQ; }
  __device__ A* matrix_of(int64_t chunk, int64_t h) const { return matrix + (chunk * H + h) * kQ * kQ; }
  __device__ A* state(A* states, int64_t chunk, int64_t h, int64_t q) const {
    return states + ((chunk * H + h) * P + q) * N;
  }
};

// dt = softplus(raw + dt_bias) and E = exp(A dt) of every token and head.
// Owns:    thread = 1 number of one token and head.   Traffic: writes N values a token and head.
template <class T, bool kComplex>
__global__ void chunk_decays(Problem<T> p) {
  using A = Accumulator<T>;
  const int64_t at = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t m = at % p.numbers, i = at / p.numbers % kQ, h = at / p.numbers / kQ % p.H;
  const int64_t chunk = at / p.numbers / kQ / p.H;
  if (chunk >= p.chunks.count) return;
  const Chunk c = p.chunks.at(chunk);
  if (i >= c.length) return;
  const A bias = p.dt_bias != nullptr ? p.dt_bias[h] : A(0);
  const A dt = math::softplus(*p.raw_dt.at(c.row, p.token(c, i), h) + bias);
  if (m == 0) p.dt_row(chunk, h)[i] = dt;
  Number<A, kComplex> decay{exp(-exp(p.A_log[h * p.numbers + m]) * dt)};
  if constexpr (kComplex) {
    A sine, cosine;
    sincos(p.A_im[h * p.numbers + m] * dt, &sine, &cosine);
    decay = {decay.re * cosine, decay.re * sine};
  }
  decay.store(p.decay_row(chunk, h, i), m, p.numbers);
}

// W of every chunk and head.
// Owns:    block = 1 chunk and head; warp = columns w, w + 8; lane = numbers l, l + 32, ...; sums by warp_sum.
// Traffic: reads B, C and E of the chunk once for each column (from cache), writes kQ^2 values.
template <class T, bool kComplex>
__global__ void __launch_bounds__(kThreads) chunk_matrix(Problem<T> p) {
  using A = Accumulator<T>;
  using Z = Number<A, kComplex>;
  const Chunk c = p.chunks.at(blockIdx.x / p.H);
  const int64_t h = blockIdx.x % p.H;
  const int lane = threadIdx.x % kWarp, length = static_cast<int>(c.length);
  A* const W = p.matrix_of(c.index, h);
  for (int j = threadIdx.x / kWarp; j < length; j += kThreads / kWarp) {
    A sums[kQ] = {};
    for (int64_t m = lane; m < p.numbers; m += kWarp) {
      Z u = Z::load(p.B_row(c, h, j), m, p.numbers);
#pragma unroll
      for (int i = 0; i < kQ; ++i) {
        if (i < j || i >= length) continue;
        if (i > j) u = Z::load(p.decay_row(c.index, h, i), m, p.numbers) * u;
        sums[i] += dot(Z::load(p.C_row(c, h, i), m, p.numbers), u);
      }
    }
#pragma unroll
    for (int i = 0; i < kQ; ++i) {
      const A sum = warp_sum(sums[i]) * p.dt_row(c.index, h)[j];
      if (lane != 0) continue;
      W[i * kQ + j] = i == j && p.delta.data != nullptr ? sum + *p.delta.at(c.row, p.token(c, i), h) : sum;
    }
  }
}

// What each chunk adds to the state that leaves it, or (adjoint, rows = dy) to the gradient of the one that entered it.
// Owns:    block = 1 chunk and head, 256 numbers of its state; a thread walks the tokens.
// Traffic: reads rows, E and B or C of the chunk, writes P N values.
template <class T, bool kComplex>
__global__ void local_states(Problem<T> p, View<const T> rows, bool adjoint, Accumulator<T>* states) {
  using A = Accumulator<T>;
  using Z = Number<A, kComplex>;
  const Chunk c = p.chunks.at(blockIdx.x / p.H);
  const int64_t h = blockIdx.x % p.H, e = int64_t{blockIdx.y} * kThreads + threadIdx.x;
  const int64_t q = e / p.numbers, m = e % p.numbers;
  if (q >= p.P) return;
  Z own;
  for (int64_t k = 0; k < c.length; ++k) {
    const int64_t i = adjoint ? c.length - 1 - k : k;
    const A row = static_cast<A>(rows.at(c.row, p.token(c, i), h)[q]);
    const Z decay = Z::load(p.decay_row(c.index, h, i), m, p.numbers);
    if (adjoint)
      own = decay.conj() * (own + Z::load(p.C_row(c, h, i), m, p.numbers) * row);
    else
      own = decay * own + Z::load(p.B_row(c, h, i), m, p.numbers) * (p.dt_row(c.index, h)[i] * row);
  }
  own.store(p.state(states, c.index, h, q), m, p.numbers);
}

// Each chunk's own part becomes what enters it from the chunks walked before; the first gets `entering`, and what
// leaves the run goes to `leaving`. Adjoint: the gradient of what leaves a chunk, walked the other way.
// Owns:    block = 1 run (at its first chunk) and head, 256 numbers of its state; a thread walks all chunks.
// Traffic: reads and writes every state once, reads E of every token.
template <class T, bool kComplex>
__global__ void pass_states(Problem<T> p, Accumulator<T>* states, bool adjoint, RunStates<Accumulator<T>> edges) {
  using A = Accumulator<T>;
  using Z = Number<A, kComplex>;
  const Chunk first = p.chunks.at(blockIdx.x / p.H);
  const int64_t h = blockIdx.x % p.H, e = int64_t{blockIdx.y} * kThreads + threadIdx.x;
  const int64_t q = e / p.numbers, m = e % p.numbers;
  if (first.index != first.first || q >= p.P) return;
  const int64_t run = p.run_id != nullptr ? p.run_id[first.row * p.chunks.L + first.start] : first.row;
  const A* const entering = edges.entering_from(p.direction);
  A* const leaving = edges.leaving_to(p.direction);
  Z carried;
  if (entering != nullptr)
    carried = Z::load(entering + (((edges.one_for_all ? 0 : run) * p.H + h) * p.P + q) * p.N, m, p.numbers);
  for (int64_t k = 0; k < first.past - first.first; ++k) {
    const Chunk c = p.chunks.at((p.direction == 0) != adjoint ? first.first + k : first.past - 1 - k);
    Z total{A(1)};
    for (int64_t i = 0; i < c.length; ++i) total = total * Z::load(p.decay_row(c.index, h, i), m, p.numbers);
    A* const row = p.state(states, c.index, h, q);
    const Z own = Z::load(row, m, p.numbers);
    carried.store(row, m, p.numbers);
    carried = (adjoint ? total.conj() : total) * carried + own;
  }
  if (leaving != nullptr) carried.store(leaving + ((run * p.H + h) * p.P + q) * p.N, m, p.numbers);
}

// y = W x + [conj(E_{0..i}) C_i] states. Transposed (rows = dy, states = adjoint): dx = W' dy + [dt_j E_{j+1..} B_j]
// states.
// Owns:    block = 1 chunk and head, 256 of P; a thread one of P, sums in registers.
// Tiles:   the bracket for 32 numbers, and W, in shared memory.   Syncs: before and after each tile is filled.
// Traffic: reads rows, states and W once, writes one row each.
template <class T, bool kComplex, bool kTransposed>
__global__ void __launch_bounds__(kThreads)
    apply(Problem<T> p, View<const T> rows, Accumulator<T>* states, View<T> out) {
  using A = Accumulator<T>;
  using Z = Number<A, kComplex>;
  constexpr int kParts = kComplex ? 2 : 1;
  __shared__ A bracket[kQ][kWarp * kParts], W[kQ * kQ];
  const Chunk c = p.chunks.at(blockIdx.x / p.H);
  const int64_t h = blockIdx.x % p.H, q = int64_t{blockIdx.y} * kThreads + threadIdx.x;
  const int length = static_cast<int>(c.length);
  for (int e = threadIdx.x; e < kQ * kQ; e += kThreads) W[e] = p.matrix_of(c.index, h)[e];
  A sums[kQ] = {};
  for (int64_t m0 = 0; m0 < p.numbers; m0 += kWarp) {
    const int64_t count = min(p.numbers - m0, int64_t{kWarp});
    __syncthreads();
    if (threadIdx.x < count) {
      const int64_t m = m0 + threadIdx.x;
      Z product{A(1)};
      for (int k = 0; k < length; ++k) {
        const int i = kTransposed ? length - 1 - k : k;
        const Z decay = Z::load(p.decay_row(c.index, h, i), m, p.numbers);
        if (!kTransposed) product = product * decay;
        const Z entry = kTransposed ? product * Z::load(p.B_row(c, h, i), m, p.numbers) * p.dt_row(c.index, h)[i]
                                    : product.conj() * Z::load(p.C_row(c, h, i), m, p.numbers);
        if (kTransposed) product = product * decay;
        entry.store(bracket[i], threadIdx.x, kWarp);
      }
    }
    __syncthreads();
    if (q >= p.P) continue;
    const A* const state = p.state(states, c.index, h, q);
    for (int n = 0; n < count; ++n) {
      const Z z = Z::load(state, m0 + n, p.numbers);
#pragma unroll
      for (int i = 0; i < kQ; ++i)
        if (i < length) sums[i] += dot(Z::load(bracket[i], n, kWarp), z);
    }
  }
  if (q >= p.P) return;
  for (int j = 0; j < length; ++j) {
    const A row = static_cast<A>(rows.at(c.row, p.token(c, j), h)[q]);
#pragma unroll
    for (int i = 0; i < kQ; ++i) {
      if (i >= length || (kTransposed ? i > j : i < j)) continue;
      sums[i] += (kTransposed ? W[j * kQ + i] : W[i * kQ + j]) * row;
    }
  }
#pragma unroll
  for (int i = 0; i < kQ; ++i)
    if (i < length) out.at(c.row, p.token(c, i), h)[q] = static_cast<T>(sums[i]);
}

/// Where the gradients go; those of B and C head by head.
template <class T>
struct GradientParts {
  using A = Accumulator<T>;
  A *dB, *dC;         ///< [chunks, H, kQ, N]
  A *dA_log, *dA_im;  ///< [chunks, H, numbers]
  View<A> ddt, ddelta;
};

/// The gradients of one number over one chunk and head.
template <class T, bool kComplex>
struct NumberGradients {
  using A = Accumulator<T>;
  using Z = Number<A, kComplex>;
  Z dC[kQ], dB[kQ], dlog[kQ];  ///< dB without its factor dt

  /// Through the states: U_i = sum dy_i state, V_j = sum x_j adjoint, and T = sum conj(state) adjoint.
  __device__ void add_states(const Problem<T>& p, const Chunk& c, int64_t h, int64_t m, View<const T> dy,
                             Accumulator<T>* states, Accumulator<T>* adjoint_states) {
    const int length = static_cast<int>(c.length);
    Z through;
    for (int64_t q = 0; q < p.P; ++q) {
      const Z state = Z::load(p.state(states, c.index, h, q), m, p.numbers);
      const Z adjoint = Z::load(p.state(adjoint_states, c.index, h, q), m, p.numbers);
      through += state.conj() * adjoint;
      for (int i = 0; i < length; ++i) {
        const int64_t token = p.token(c, i);
        dC[i] += state * static_cast<A>(dy.at(c.row, token, h)[q]);
        dB[i] += adjoint * static_cast<A>(p.x.at(c.row, token, h)[q]);
      }
    }
    Z product{A(1)};
    for (int i = 0; i < length; ++i) {
      product = product * Z::load(p.decay_row(c.index, h, i), m, p.numbers);
      dC[i] = product * dC[i];
    }
    // log E_k is in all rows that read k or later, in all tokens before k, and in the chunk as a whole.
    Z later = product.conj() * through;
    for (int i = length - 1; i >= 0; --i) {
      later += dC[i].conj() * Z::load(p.C_row(c, h, i), m, p.numbers);
      dlog[i] += later;
    }
    product = {A(1)};
    for (int j = length - 1; j >= 0; --j) {
      dB[j] = product.conj() * dB[j];
      product = product * Z::load(p.decay_row(c.index, h, j), m, p.numbers);
    }
    Z before;
    for (int j = 0; j < length; ++j) {
      dlog[j] += before;
      before += Z::load(p.B_row(c, h, j), m, p.numbers).conj() * dB[j] * p.dt_row(c.index, h)[j];
    }
  }

  /// Within the chunk, by dW.
  __device__ void add_pairs(const Problem<T>& p, const Chunk& c, int64_t h, int64_t m, const A (&dW)[kQ][kQ + 1]) {
    const int length = static_cast<int>(c.length);
    for (int j = 0; j < length; ++j) {
      const Z B = Z::load(p.B_row(c, h, j), m, p.numbers);
      const A dt = p.dt_row(c.index, h)[j];
      Z product{A(1)}, pairs[kQ];
      for (int i = j; i < length; ++i) {
        if (i > j) product = product * Z::load(p.decay_row(c.index, h, i), m, p.numbers);
        const Z u = product * B, C = Z::load(p.C_row(c, h, i), m, p.numbers);
        dC[i] += u * (dW[i][j] * dt);
        dB[j] += product.conj() * C * dW[i][j];
        pairs[i] = u.conj() * C * (dW[i][j] * dt);
      }
      Z later;
      for (int i = length - 1; i > j; --i) {
        later += pairs[i];
        dlog[i] += later;
      }
    }
  }
};

// Gradients of B, C, dt and A from x, dy, the states and their adjoints:  dW = dy x', then number by number.
// Owns:    block = 1 chunk and head; a thread one pair (i, j), then numbers t, t + 256, ...
// Tiles:   dW in shared memory.   Syncs: after dW is made, and in the sums over the numbers.
// Traffic: reads x and dy kQ times (from cache) and both states once, writes 2 N values a token and head.
template <class T, bool kComplex>
__global__ void __launch_bounds__(kThreads) chunk_gradients(Problem<T> p, View<const T> dy, Accumulator<T>* states,
                                                            Accumulator<T>* adjoint_states, GradientParts<T> to) {
  using A = Accumulator<T>;
  __shared__ A dW[kQ][kQ + 1];
  const Chunk c = p.chunks.at(blockIdx.x / p.H);
  const int64_t h = blockIdx.x % p.H;
  const int length = static_cast<int>(c.length), i = threadIdx.x / kQ, j = threadIdx.x % kQ;
  if (j <= i && i < length) {
    const T *const left = dy.at(c.row, p.token(c, i), h), *const right = p.x.at(c.row, p.token(c, j), h);
    A sum = 0;
    for (int64_t q = 0; q < p.P; ++q) sum += static_cast<A>(left[q]) * static_cast<A>(right[q]);
    dW[i][j] = sum;
    if (i == j && to.ddelta.data != nullptr) *to.ddelta.at(c.row, p.token(c, i), h) = sum;
  }
  __syncthreads();

  const A* const dt = p.dt_row(c.index, h);
  A ddt[kQ] = {};
  for (int64_t m = threadIdx.x; m < p.numbers; m += kThreads) {
    NumberGradients<T, kComplex> g;
    g.add_states(p, c, h, m, dy, states, adjoint_states);
    g.add_pairs(p, c, h, m, dW);
    const A rate = -exp(p.A_log[h * p.numbers + m]), turn = kComplex ? p.A_im[h * p.numbers + m] : A(0);
    A drate = 0, dturn = 0;
    for (int k = 0; k < length; ++k) {
      const int64_t row = ((c.index * p.H + h) * kQ + k) * p.N;
      g.dC[k].store(to.dC + row, m, p.numbers);
      (g.dB[k] * dt[k]).store(to.dB + row, m, p.numbers);
      ddt[k] += dot(g.dB[k], Number<A, kComplex>::load(p.B_row(c, h, k), m, p.numbers)) + rate * g.dlog[k].re;
      drate += dt[k] * g.dlog[k].re;
      if constexpr (kComplex) {
        ddt[k] += turn * g.dlog[k].im;
        dturn += dt[k] * g.dlog[k].im;
      }
    }
    to.dA_log[(c.index * p.H + h) * p.numbers + m] = rate * drate;
    if constexpr (kComplex) to.dA_im[(c.index * p.H + h) * p.numbers + m] = dturn;
  }
  for (int k = 0; k < length; ++k) {
    const A sum = block_sum<kThreads>(ddt[k]);
    // softplus'(raw) = sigmoid(raw) = 1 - e^-dt
    if (threadIdx.x == 0) *to.ddt.at(c.row, p.token(c, k), h) = -math::expm1_of_negative(-dt[k]) * sum;
  }
}

// to [B, L, G, N] = the sums over the heads of each group, in their order.
// Owns:    thread = 1 value of one token and group.   Traffic: reads N values a token and head.
template <class T>
__global__ void sum_heads(Problem<T> p, const Accumulator<T>* heads, View<T> to) {
  using A = Accumulator<T>;
  const int64_t at = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t n = at % p.N, g = at / p.N % p.G, i = at / p.N / p.G % kQ, chunk = at / p.N / p.G / kQ;
  if (chunk >= p.chunks.count) return;
  const Chunk c = p.chunks.at(chunk);
  if (i >= c.length) return;
  A sum = 0;
  for (int64_t h = g * (p.H / p.G); h < (g + 1) * (p.H / p.G); ++h)
    sum += heads[((chunk * p.H + h) * kQ + i) * p.N + n];
  to.at(c.row, p.token(c, i), g)[n] = static_cast<T>(sum);
}

}  // namespace matmix::cuda::ssd
