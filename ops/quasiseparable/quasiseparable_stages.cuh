#pragma once

#include "ops/quasiseparable/quasiseparable_device.cuh"
#include "tensor/cuda/reduce.cuh"

// The stages that forward and backward are made of.
namespace matmix::cuda::quasi {

/// A sum with what rounding took from it.
template <class A>
struct Compensated {
  A high, low;
  __device__ Compensated operator+(const Compensated& y) const {
    const A s = high + y.high, t = s - high;
    return {s, (high - (s - t)) + (y.high - t) + low + y.low};
  }
};

// Steps of every chunk:  dt = softplus(raw + dt_bias), and sums of A dt along each direction's walk.
// Owns:     block = 1 chunk, 1 direction, 8 heads; warp = 1 head, lane l = tokens l, l + 32, ... of the walk.
// Traffic:  reads dt once (neighbouring heads share sectors), writes 3 values for each.
// Numerics: sums by warp scans of compensated pairs, so the order of the scan does not show.
template <class T>
__global__ void chunk_sums(Problem<T> p) {
  using A = Accumulator<T>;
  constexpr int kEdge = Tile<T>::kEdge;
  const Chunk c = p.chunks.at(blockIdx.x);
  const int64_t h = int64_t{blockIdx.y} * kHeadsABlock + threadIdx.x / kWarp;
  const int direction = p.first + blockIdx.z, lane = threadIdx.x % kWarp, length = static_cast<int>(c.length);
  if (h >= p.H) return;
  A* const out = p.steps_of(c.index, h) + direction * 3 * kEdge;
  const A bias = p.dt_bias != nullptr ? p.dt_bias[h] : A(0), rate = p.rate(h);
  Compensated<A> before{0, 0};
  for (int base = 0; base < length; base += kWarp) {
    const int j = walked(direction, base + lane, length);
    const bool is_token = base + lane < length;
    const A dt = is_token ? math::softplus(*p.dt[direction].at(c.row, c.start + j, h) + bias) : A(0);
    Compensated<A> sum{rate * dt, 0};
    for (int distance = 1; distance < kWarp; distance *= 2) {
      const Compensated<A> earlier{__shfl_up_sync(0xffffffffu, sum.high, distance),
                                   __shfl_up_sync(0xffffffffu, sum.low, distance)};
      if (lane >= distance) sum = earlier + sum;
    }
    sum = before + sum;
    if (is_token) {
      out[j] = dt;
      out[kEdge + j] = sum.high;
      out[2 * kEdge + j] = sum.low;
    }
    before = {__shfl_sync(0xffffffffu, sum.high, kWarp - 1), __shfl_sync(0xffffffffu, sum.low, kWarp - 1)};
  }
}

// Products of every chunk and group:  C_i . B_j of the forward direction below the diagonal, of the backward one above.
// Owns:    block = 1 chunk, 1 group; sums in registers over slices of N.
// Tiles:   two operands in shared memory.   Syncs: before and after each slice is filled.
// Traffic: reads B and C of both directions once, writes kEdge^2 values; once a group, so little beside the heads'
// work.
template <class T>
__global__ void __launch_bounds__(kTileThreads) group_products(Problem<T> p) {
  constexpr int kEdge = Tile<T>::kEdge;
  __shared__ Tile<T> C, B;
  const Chunk c = p.chunks.at(blockIdx.x);
  const int64_t g = blockIdx.y;
  for (int direction = p.first; direction < p.past; ++direction) {
    TileProduct<T> product;
    for (int64_t n = 0; n < p.N; n += kEdge) {
      __syncthreads();
      fill_seen(C, p, false, c, direction, g, n);
      fill_seen(B, p, true, c, direction, g, n);
      __syncthreads();
      product.template add<false, true>(C, B, p.N - n);
    }
    auto* const products = p.products + (c.index * p.G + g) * kEdge * kEdge;
    auto* const diagonal = p.diagonals + ((c.index * p.G + g) * 2 + direction) * kEdge;
    product.each([&](int slot, int i, int j) {
      if (i == j)
        diagonal[i] = product.sum[slot];
      else if (direction == (i > j ? 0 : 1))
        products[i * kEdge + j] = product.sum[slot];
    });
  }
}

// What each chunk adds to the states that leave it:  states[n, :] = sum_j leave_j dt_j B_j[n] rows_j.
// Adjoint (rows = dy), to the gradient of those that entered:  sum_i enter_i C_i[n] rows_i.
// Owns:    block = 1 chunk and head, kEdge values n of one direction, kEdge of P.
// Tiles:   the scaled rows and `rows` in shared memory.   Syncs: after the steps, the factors and the tiles.
// Traffic: reads B or C and rows once, writes 2 N P values a chunk.
template <class T>
__global__ void __launch_bounds__(kTileThreads)
    local_states(Problem<T> p, View<const T> rows, bool adjoint, Accumulator<T>* states) {
  using A = Accumulator<T>;
  constexpr int kEdge = Tile<T>::kEdge;
  __shared__ Tile<T> scaled, values;
  __shared__ Steps<T> steps;
  __shared__ A factor[kEdge];
  const Chunk c = p.chunks.at(blockIdx.x / p.H);
  const int64_t h = blockIdx.x % p.H, g = p.group(h), n0 = int64_t{blockIdx.y / p.directions} * kEdge,
                q0 = int64_t{blockIdx.z} * kEdge;
  const int direction = p.first + blockIdx.y % p.directions, length = static_cast<int>(c.length);
  steps.load(p, c, h);
  __syncthreads();
  for (int i = threadIdx.x; i < length; i += kTileThreads)
    factor[i] = adjoint ? steps.enter(direction, i, p.shift) : steps.leave(direction, i) * steps.dt(direction, i);
  __syncthreads();
  fill_seen(scaled, p, !adjoint, c, direction, g, n0, [&](int i) { return factor[i]; });
  fill_tokens(values, p, rows, c, h, q0);
  __syncthreads();
  TileProduct<T> product;
  product.template add<true, false>(scaled, values, length);
  product.each([&](int slot, int n, int q) {
    if (n0 + n < p.N && q0 + q < p.P) p.state(states, c.index, h, direction, n0 + n)[q0 + q] = product.sum[slot];
  });
}

constexpr int kPassThreads = 256;  // of a block of pass_states

/// f(v, e) for the values e = e0 + v kPassThreads that there are.
template <int kEach, class F>
__device__ void each_owned(int64_t e0, int64_t size, F f) {
#pragma unroll
  for (int v = 0; v < kEach; ++v)
    if (const int64_t e = e0 + v * kPassThreads; e < size) f(v, e);
}

// Each chunk's own part becomes what enters it from the chunks walked before; the first gets `entering`, and what
// leaves the run goes to `leaving`. Adjoint: the gradient of what leaves a chunk, walked the other way; `dots` receives
// sum of state * gradient of what leaves, one part a warp: the gradient of the log of the chunk's decay, but for that.
// Owns:    block = 1 run (at its first chunk), head and direction, kEach kPassThreads of the N P values; a thread walks
// all chunks with kEach of them.
// Traffic: reads and writes every state once (adjoint: and reads the forward one): bound by memory.
template <class T, int kEach>
__global__ void __launch_bounds__(kPassThreads)
    pass_states(Problem<T> p, Accumulator<T>* states, const Accumulator<T>* forward_states, Accumulator<T>* dots,
                RunStates<Accumulator<T>> edges) {
  using A = Accumulator<T>;
  const Chunk first = p.chunks.at(int64_t{blockIdx.x} * p.chunks.chunks_a_full_run());
  if (first.index != first.first) return;
  const bool adjoint = forward_states != nullptr;
  const int64_t h = blockIdx.z / p.directions, size = p.N * p.P;
  const int64_t e0 = int64_t{blockIdx.y} * kEach * kPassThreads + threadIdx.x,
                warps = int64_t{gridDim.y} * kPassThreads / kWarp;
  const int direction = p.first + blockIdx.z % p.directions;
  const int64_t run = p.run_id != nullptr ? p.run_id[first.row * p.chunks.L + first.start] : first.row;
  const auto in_run = [&](int64_t e) { return (run * p.H + h) * size + e % p.P * p.N + e / p.P; };

  A carried[kEach] = {};
  if (const A* const entering = edges.entering_from(direction); entering != nullptr)
    each_owned<kEach>(e0, size, [&](int v, int64_t e) {
      carried[v] = entering[in_run(e) - (edges.one_for_all ? run * p.H * size : 0)];
    });
  for (int64_t k = 0; k < first.past - first.first; ++k) {
    const Chunk c = p.chunks.at((direction == 0) != adjoint ? first.first + k : first.past - 1 - k);
    const int length = static_cast<int>(c.length), last = walked(direction, length - 1, length);
    const A* const sums = p.steps_of(c.index, h) + (direction * 3 + 1) * Tile<T>::kEdge;
    const A decay = decay_of<T>(sums[last] + sums[Tile<T>::kEdge + last]);
    const int64_t at = ((c.index * p.H + h) * p.directions + direction - p.first) * size;
    A own[kEach] = {}, dot = 0;
    each_owned<kEach>(e0, size, [&](int v, int64_t e) { own[v] = states[at + e]; });
    each_owned<kEach>(e0, size, [&](int v, int64_t e) {
      states[at + e] = carried[v];
      if (adjoint) dot += carried[v] * forward_states[at + e];
      carried[v] = decay * carried[v] + own[v];
    });
    if (!adjoint) continue;
    dot = warp_sum(dot);
    if (threadIdx.x % kWarp == 0)
      dots[((c.index * p.H + h) * 2 + direction) * warps + (blockIdx.y * kPassThreads + threadIdx.x) / kWarp] = dot;
  }
  if (A* const leaving = edges.leaving_to(direction); leaving != nullptr)
    each_owned<kEach>(e0, size, [&](int v, int64_t e) { leaving[in_run(e)] = carried[v]; });
}

// y = W x + [enter o C] states, with W = decays o products off the diagonal. Transposed (rows = dy, states = adjoint):
// dx = W' dy + [leave dt o B] states. The diagonal stays out of the tiles, in full precision.
// Owns:    block = 1 chunk and head, kEdge of P; sums in registers over the chunk and then slices of N.
// Tiles:   two operands in shared memory.   Syncs: before and after each pair of tiles is filled.
// Traffic: reads rows twice (the second time for the diagonal, from cache), products and states once; writes one row
// each.
template <class T, bool kTransposed>
__global__ void __launch_bounds__(kTileThreads)
    apply(Problem<T> p, View<const T> rows, Accumulator<T>* states, View<T> out) {
  using A = Accumulator<T>;
  constexpr int kEdge = Tile<T>::kEdge;
  __shared__ Tile<T> left, right;
  __shared__ Steps<T> steps;
  __shared__ A factor[kEdge];
  const Chunk c = p.chunks.at(blockIdx.x / p.H);
  const int64_t h = blockIdx.x % p.H, g = p.group(h), q0 = int64_t{blockIdx.y} * kEdge;
  const int length = static_cast<int>(c.length);
  steps.load(p, c, h);
  __syncthreads();
  const A* const products = p.products + (c.index * p.G + g) * kEdge * kEdge;
  fill_square(left, length, [&](int i, int j) {
    const int direction = i > j ? 0 : 1;
    if (i == j || direction < p.first || direction >= p.past) return A(0);
    return steps.between(i, j, p.shift) * steps.dt(direction, j) * products[i * kEdge + j];
  });
  fill_tokens(right, p, rows, c, h, q0);
  __syncthreads();
  TileProduct<T> product;
  product.template add<kTransposed, false>(left, right, length);

  if (states != nullptr)
    for (int direction = p.first; direction < p.past; ++direction)
      for (int64_t n = 0; n < p.N; n += kEdge) {
        __syncthreads();
        for (int i = threadIdx.x; i < length; i += kTileThreads)
          factor[i] =
              kTransposed ? steps.leave(direction, i) * steps.dt(direction, i) : steps.enter(direction, i, p.shift);
        __syncthreads();
        fill_seen(left, p, kTransposed, c, direction, g, n, [&](int i) { return factor[i]; });
        fill_state(right, p, states, c, h, direction, n, q0);
        __syncthreads();
        product.template add<false, false>(left, right, p.N - n);
      }

  __syncthreads();
  const A* const diagonals = p.diagonals + (c.index * p.G + g) * 2 * kEdge;
  for (int i = threadIdx.x; i < length; i += kTileThreads) {
    factor[i] = p.delta.data != nullptr ? *p.delta.at(c.row, c.start + i, h) : A(0);
    if (p.shift) continue;
    for (int direction = p.first; direction < p.past; ++direction)
      factor[i] += diagonals[direction * kEdge + i] * steps.dt(direction, i);
  }
  __syncthreads();
  product.each([&](int slot, int i, int q) {
    if (i >= length || q0 + q >= p.P) return;
    const A row = static_cast<A>(rows.at(c.row, c.start + i, h)[q0 + q]);
    out.at(c.row, c.start + i, h)[q0 + q] = static_cast<T>(product.sum[slot] + factor[i] * row);
  });
}

}  // namespace matmix::cuda::quasi
