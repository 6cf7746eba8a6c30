#pragma once

#include "ops/quasiseparable/quasiseparable_device.cuh"
#include "tensor/cuda/reduce.cuh"

// The stages of backward alone. Sums over the heads of a group are made in registers by blocks that take heads_a_block
// heads one after another, and over such blocks in order.
namespace matmix::cuda::quasi {

/// Where the stages leave their parts of the gradients. `splits` blocks share the heads of a group.
template <class T>
struct GradientParts {
  using A = Accumulator<T>;
  int64_t splits, heads_a_block, n_tiles;
  A* dG;           ///< [splits, chunks, G, kEdge, kEdge]: of the products, both directions, heads summed
  A* dG_diagonal;  ///< [splits, chunks, G, 2, kEdge]: of the diagonals, without shift
  A* rows;         ///< [splits, 2: of C, of B; 2: direction, chunks, G, kEdge, N]: from the states; null if they are 0
  A* step_rows;    ///< [2: by enter, by leave dt; n_tiles, chunks, H, 2, kEdge]: u_i = U_i . C_i, v_j = V_j . B_j
  A* direct;       ///< [chunks, H, 2, kEdge]: of dt_j, from within the chunk
  A* through;      ///< [chunks, H, 2, kEdge]: of A dt_k, from within the chunk
  A* dots;         ///< [chunks, H, 2, warps]: see pass_states
  int64_t warps;

  __device__ int64_t by_token(const Problem<T>& p, int64_t chunk, int64_t h, int direction) const {
    return ((chunk * p.H + h) * 2 + direction) * Tile<T>::kEdge;
  }
};

/// Shared memory that holds two tiles, then what became of them.
template <class T>
union Workspace {
  struct {
    Tile<T> left, right;
  } tiles;
  Accumulator<T> square[Tile<T>::kEdge][Tile<T>::kEdge + 1];
};

/// In place, K[i][j] becomes what the decays to the token read by row i receive from column j: dt_j times the sum of
/// K[.][j] over i and the rows walked later. Returns the sum over all rows. For column j of one direction's triangle.
template <class T, class Square>
__device__ Accumulator<T> sum_column(Square& K, const Steps<T>& steps, int direction, int j, bool shift) {
  const int length = steps.length, position = walked(direction, j, length);
  Accumulator<T> sum = 0;
  for (int k = length - 1; k > position; --k) {
    auto& entry = K[walked(direction, k, length)][j];
    sum += entry;
    entry = k - shift > position ? sum * steps.dt(direction, j) : Accumulator<T>(0);
  }
  return sum;
}

// Inside the chunk:  dW = dy x',  dG += dW o decays o dt,  ddelta = diag dW,  and from K = dW o G o decays the
// gradients of the steps:  direct_j = sum_i K_ij,  through_k = sum of K_ij dt_j over all j before k and all i that read
// k or later (sums of their own terms, never differences of longer sums).
// Owns:    block = 1 chunk, 1 group, heads_a_block of its heads; dG in registers over the heads. Then a thread a
//          column and direction, then a thread a row and direction.
// Tiles:   x and dy in shared memory, then K in their place.   Syncs: wherever a thread reads what others wrote.
// Traffic: reads x and dy once; writes 4 values a token and head, kEdge^2 a chunk and group.
template <class T>
__global__ void __launch_bounds__(kTileThreads)
    intra_gradients(Problem<T> p, View<const T> dy, GradientParts<T> parts, View<Accumulator<T>> ddelta) {
  using A = Accumulator<T>;
  constexpr int kEdge = Tile<T>::kEdge, kValues = TileProduct<T>::kValues;
  __shared__ Workspace<T> shared;
  __shared__ Steps<T> steps;
  __shared__ A diagonal_sum[2][kEdge], diagonal_direct[2][kEdge];
  const Chunk c = p.chunks.at(blockIdx.x);
  const int64_t g = blockIdx.y, split = blockIdx.z, cell = c.index * p.G + g;
  const int length = static_cast<int>(c.length);
  const A* const diagonals = p.diagonals + cell * 2 * kEdge;
  A G[kValues], dG[kValues] = {};
  const auto is_there = [&](int direction) { return direction >= p.first && direction < p.past; };
  TileProduct<T>::each([&](int slot, int i, int j) { G[slot] = p.products[(cell * kEdge + i) * kEdge + j]; });
  for (int e = threadIdx.x; e < 2 * kEdge; e += kTileThreads) diagonal_sum[e / kEdge][e % kEdge] = 0;

  const int64_t heads = p.H / p.G, end = min(heads, (split + 1) * parts.heads_a_block);
  for (int64_t h = g * heads + split * parts.heads_a_block; h < g * heads + end; ++h) {
    __syncthreads();
    steps.load(p, c, h);
    TileProduct<T> dW;
    for (int64_t q = 0; q < p.P; q += kEdge) {
      __syncthreads();
      fill_tokens(shared.tiles.left, p, dy, c, h, q);
      fill_tokens(shared.tiles.right, p, p.x, c, h, q);
      __syncthreads();
      dW.template add<false, true>(shared.tiles.left, shared.tiles.right, p.P - q);
    }
    __syncthreads();
    dW.each([&](int slot, int i, int j) {
      if (i >= length || j >= length) return;
      const A d = dW.sum[slot];
      if (i != j) {
        if (!is_there(i > j ? 0 : 1)) return;
        const A decay = steps.between(i, j, p.shift);
        dG[slot] += d * decay * steps.dt(i > j ? 0 : 1, j);
        shared.square[i][j] = d * decay * G[slot];
        return;
      }
      if (ddelta.data != nullptr) *ddelta.at(c.row, c.start + i, h) = d;
      for (int direction = p.first; direction < p.past; ++direction) {
        diagonal_sum[direction][i] += p.shift ? A(0) : d * steps.dt(direction, i);
        diagonal_direct[direction][i] = p.shift ? A(0) : d * diagonals[direction * kEdge + i];
      }
    });
    __syncthreads();
    const int direction = threadIdx.x / kEdge, k = threadIdx.x % kEdge;
    const int64_t at = parts.by_token(p, c.index, h, direction);
    const bool works = is_there(direction) && k < length;
    if (works)
      parts.direct[at + k] = diagonal_direct[direction][k] + sum_column(shared.square, steps, direction, k, p.shift);
    __syncthreads();
    if (!works) continue;
    const int read = k - p.shift;
    A sum = 0;
    for (int j = 0; j < read; ++j) sum += shared.square[walked(direction, k, length)][walked(direction, j, length)];
    // With shift nobody reads the last token of the walk; the row that reads nothing writes its 0.
    parts.through[at + walked(direction, read >= 0 ? read : length - 1, length)] = sum;
  }

  A* const to = parts.dG + (split * p.chunks.count * p.G + cell) * kEdge * kEdge;
  TileProduct<T>::each([&](int slot, int i, int j) { to[i * kEdge + j] = dG[slot]; });
  __syncthreads();
  A* const to_diagonal = parts.dG_diagonal + (split * p.chunks.count * p.G + cell) * 2 * kEdge;
  for (int e = threadIdx.x; e < 2 * kEdge; e += kTileThreads) to_diagonal[e] = diagonal_sum[e / kEdge][e % kEdge];
}

// From the states:  dC gets U_i = enter_i (states dy_i),  dB gets dt_j V_j,  V_j = leave_j (adjoint x_j);  the steps
// get u_i = U_i . C_i and v_j = V_j . B_j.
// Owns:    block = 1 chunk, 1 group, heads_a_block of its heads, one of C and B in one direction, kEdge of N; sums
//          over the heads in registers. Then a thread a row.
// Tiles:   dy or x and the states in shared memory, then U o C or V o B in their place.
// Traffic: reads x, dy and both states once for every kEdge of N; writes N values a token and group, 1 a token and
//          head.
template <class T>
__global__ void __launch_bounds__(kTileThreads)
    inter_gradients(Problem<T> p, View<const T> dy, Accumulator<T>* states, Accumulator<T>* adjoint_states,
                    GradientParts<T> parts) {
  using A = Accumulator<T>;
  constexpr int kEdge = Tile<T>::kEdge, kValues = TileProduct<T>::kValues;
  __shared__ Workspace<T> shared;
  __shared__ Steps<T> steps;
  __shared__ A factor[kEdge];
  const Chunk c = p.chunks.at(blockIdx.x);
  const int64_t g = blockIdx.y / parts.splits, split = blockIdx.y % parts.splits,
                n_tile = blockIdx.z / (2 * p.directions), n0 = n_tile * kEdge;
  const int direction = p.first + blockIdx.z / 2 % p.directions, length = static_cast<int>(c.length);
  const bool of_B = blockIdx.z % 2 != 0;
  const View<const T> values = of_B ? p.x : dy;
  A rows[kValues], sum[kValues] = {};
  TileProduct<T>::each([&](int slot, int i, int n) {
    const T* const row = i < length ? p.seen(of_B, c, direction, i, g, n0) : nullptr;
    rows[slot] = row != nullptr && n0 + n < p.N ? static_cast<A>(row[n]) : A(0);
  });

  const int64_t heads = p.H / p.G, end = min(heads, (split + 1) * parts.heads_a_block);
  for (int64_t h = g * heads + split * parts.heads_a_block; h < g * heads + end; ++h) {
    __syncthreads();
    steps.load(p, c, h);
    TileProduct<T> product;
    for (int64_t q = 0; q < p.P; q += kEdge) {
      __syncthreads();
      fill_tokens(shared.tiles.left, p, values, c, h, q);
      fill_state(shared.tiles.right, p, of_B ? adjoint_states : states, c, h, direction, n0, q);
      __syncthreads();
      product.template add<false, true>(shared.tiles.left, shared.tiles.right, p.P - q);
    }
    for (int i = threadIdx.x; i < length; i += kTileThreads)
      factor[i] = of_B ? steps.leave(direction, i) : steps.enter(direction, i, p.shift);
    __syncthreads();
    product.each([&](int slot, int i, int n) {
      if (i >= length) return;
      const A value = product.sum[slot] * factor[i];
      sum[slot] += of_B ? value * steps.dt(direction, i) : value;
      shared.square[i][n] = value * rows[slot];
    });
    __syncthreads();
    const int64_t table = (of_B * parts.n_tiles + n_tile) * p.chunks.count * p.H * 2 * kEdge;
    for (int i = threadIdx.x; i < length; i += kTileThreads) {
      A dot = 0;
      for (int n = 0; n < kEdge; ++n) dot += shared.square[i][n];
      parts.step_rows[table + parts.by_token(p, c.index, h, direction) + i] = dot;
    }
  }

  A* const to =
      parts.rows + ((((split * 2 + of_B) * 2 + direction) * p.chunks.count + c.index) * p.G + g) * kEdge * p.N;
  TileProduct<T>::each([&](int slot, int i, int n) {
    if (i < length && n0 + n < p.N) to[i * p.N + n0 + n] = sum[slot];
  });
}

// dC_i += sum_j dG_ij B_j and dB_j += sum_i dG_ij C_i over each direction's triangle, for the tokens of these rows.
// Owns:    block = 1 chunk, 1 group, one of C and B in one direction, kEdge of N.
// Tiles:   dG and the rows of B or C in shared memory.   Syncs: after they are filled.
// Traffic: reads the parts of all splits once, writes N values a token and group.
template <class T>
__global__ void __launch_bounds__(kTileThreads)
    group_gradients(Problem<T> p, GradientParts<T> parts, View<T> dB_f, View<T> dB_b, View<T> dC_f, View<T> dC_b) {
  using A = Accumulator<T>;
  constexpr int kEdge = Tile<T>::kEdge;
  __shared__ Tile<T> left, right;
  const Chunk c = p.chunks.at(blockIdx.x);
  const int64_t g = blockIdx.y, n0 = int64_t{blockIdx.z / (2 * p.directions)} * kEdge, cells = p.chunks.count * p.G,
                cell = c.index * p.G + g;
  const int direction = p.first + blockIdx.z / 2 % p.directions, length = static_cast<int>(c.length);
  const bool of_B = blockIdx.z % 2 != 0;
  fill_square(left, length, [&](int i, int j) {
    A sum = 0;
    if (i == j)
      for (int64_t s = 0; s < parts.splits; ++s)
        sum += parts.dG_diagonal[((s * cells + cell) * 2 + direction) * kEdge + i];
    else if (direction == (i > j ? 0 : 1))
      for (int64_t s = 0; s < parts.splits; ++s) sum += parts.dG[((s * cells + cell) * kEdge + i) * kEdge + j];
    return sum;
  });
  fill_seen(right, p, !of_B, c, direction, g, n0);
  __syncthreads();
  TileProduct<T> product;
  if (of_B)
    product.template add<true, false>(left, right, length);
  else
    product.template add<false, false>(left, right, length);

  const View<T> to = of_B ? (direction == 0 ? dB_f : dB_b) : (direction == 0 ? dC_f : dC_b);
  product.each([&](int slot, int i, int n) {
    const int64_t token = i >= length ? -1 : of_B ? c.start + i : c.token_read(direction, i, p.shift);
    if (token < 0 || n0 + n >= p.N) return;
    A sum = product.sum[slot];
    if (parts.rows != nullptr)
      for (int64_t s = 0; s < parts.splits; ++s)
        sum += parts.rows[((((s * 2 + of_B) * 2 + direction) * cells + cell) * kEdge + i) * p.N + n0 + n];
    to.at(c.row, token, g)[n0 + n] = static_cast<T>(sum);
  });
  const int64_t unread = of_B || !p.shift ? -1 : c.last_token(direction);
  if (unread < 0) return;
  for (int64_t n = n0 + threadIdx.x; n < min(p.N, n0 + kEdge); n += kTileThreads) to.at(c.row, unread, g)[n] = T(0.f);
}

/// Inclusive sums over the lanes of a warp, from the first lane or from the last.
template <bool kFromLast, class A>
__device__ A warp_scan(A x) {
  const int lane = threadIdx.x % kWarp, place = kFromLast ? kWarp - 1 - lane : lane;
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const A other = kFromLast ? __shfl_down_sync(0xffffffffu, x, distance) : __shfl_up_sync(0xffffffffu, x, distance);
    if (place >= distance) x += other;
  }
  return x;
}

// What raw dt and A_log receive, from the parts of the other stages:  A dt_k receives through_k, u of all rows that
// read k or later, dt_j v_j of all tokens before k, and total <states, adjoint>.  dt_j receives that times A,
// direct_j and v_j.
// Owns:    block = 1 chunk, 8 heads; warp = 1 head, lane l = tokens l, l + 32, ... of each direction's walk.
// Traffic: reads 4 values a token and head, writes 1 for each direction. All sums are warp scans in one fixed order.
template <class T>
__global__ void step_gradients(Problem<T> p, GradientParts<T> parts, View<Accumulator<T>> ddt_f,
                               View<Accumulator<T>> ddt_b, Accumulator<T>* dA_log) {
  using A = Accumulator<T>;
  constexpr int kEdge = Tile<T>::kEdge, kTurns = kEdge / kWarp;
  const Chunk c = p.chunks.at(blockIdx.x);
  const int64_t h = int64_t{blockIdx.y} * kHeadsABlock + threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp, length = static_cast<int>(c.length);
  if (h >= p.H) return;
  const A rate = p.rate(h);
  A drate = 0;
  for (int direction = p.first; direction < p.past; ++direction) {
    const int64_t at = parts.by_token(p, c.index, h, direction), table = p.chunks.count * p.H * 2 * kEdge;
    const A* const steps = p.steps_of(c.index, h) + direction * 3 * kEdge;
    const auto from_states = [&](int side, int k) {
      A sum = 0;
      if (k < length && parts.step_rows != nullptr)
        for (int64_t n = 0; n < parts.n_tiles; ++n)
          sum += parts.step_rows[(side * parts.n_tiles + n) * table + at + walked(direction, k, length)];
      return sum;
    };
    A later = 0;
    if (parts.dots != nullptr) {
      const A* const dots = parts.dots + ((c.index * p.H + h) * 2 + direction) * parts.warps;
      for (int64_t w = lane; w < parts.warps; w += kWarp) later += dots[w];
      const int last = walked(direction, length - 1, length);
      later = warp_sum(later) * decay_of<T>(steps[kEdge + last] + steps[2 * kEdge + last]);
    }
    A v[kTurns], log_decay[kTurns];
#pragma unroll
    for (int turn = kTurns - 1; turn >= 0; --turn) {
      const int k = turn * kWarp + lane;
      v[turn] = from_states(1, k);
      log_decay[turn] = later + warp_scan<true>(from_states(0, k + p.shift));
      later = __shfl_sync(0xffffffffu, log_decay[turn], 0);
    }
    A before = 0;
#pragma unroll
    for (int turn = 0; turn < kTurns; ++turn) {
      const int k = turn * kWarp + lane, j = walked(direction, k, length);
      const bool is_token = k < length;
      const A dt = is_token ? steps[j] : A(0), upto = before + warp_scan<false>(dt * v[turn]);
      const A earlier = __shfl_up_sync(0xffffffffu, upto, 1);
      log_decay[turn] += lane == 0 ? before : earlier;
      before = __shfl_sync(0xffffffffu, upto, kWarp - 1);
      if (!is_token) continue;
      log_decay[turn] += parts.through[at + j];
      drate += log_decay[turn] * dt;
      // softplus'(raw) = sigmoid(raw) = 1 - e^-dt
      const A slope = -math::expm1_of_negative(-dt);
      *(direction == 0 ? ddt_f : ddt_b).at(c.row, c.start + j, h) =
          slope * (parts.direct[at + j] + v[turn] + rate * log_decay[turn]);
    }
  }
  drate = warp_sum(drate);
  if (lane == 0 && dA_log != nullptr) dA_log[c.index * p.H + h] = rate * drate;
}

}  // namespace matmix::cuda::quasi
