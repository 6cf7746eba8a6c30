#include <limits>

#include "ops/attention/attention_kernels.h"
#include "tensor/create.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/reduce.cuh"
#include "tensor/cuda/tile_product.cuh"

// Queries and keys go in tiles of Tile<T>::kEdge tokens, cut from the start of their run. One pass owns y, one owns dq,
// one owns dk and dv; the passes of backward make the weights again from the kept log sums.
namespace matmix::cuda {
namespace {

/// The rows of consecutive tokens of one head.
template <class T>
struct Span {
  T* data;
  int64_t stride, width;
  int count;

  __device__ T* row(int i) const { return data + i * stride; }
  /// Columns from `column` on, as many as a tile has.
  __device__ void load(Tile<std::remove_const_t<T>>& to, int64_t column) const {
    fill_rows(to, count, width - column, [=, *this](int i) { return row(i) + column; });
  }
};

/// x [B, L, H, width].
template <class T>
struct TokenRows {
  T* data;
  int64_t b, l, h, width;

  explicit TokenRows(const Tensor& x)
      : data(x.data<std::remove_const_t<T>>()), b(x.stride(0)), l(x.stride(1)), h(x.stride(2)), width(x.dim(3)) {}
  __device__ Span<T> span(int64_t row, int64_t head, int64_t first, int count) const {
    return {data + row * b + first * l + head * h, l, width, count};
  }
};

/// A call; tile() and head() are those of this block.
template <class T>
struct Problem {
  using A = Accumulator<T>;
  AttentionTiles tiles;
  int64_t L, H;
  A scale;
  bool causal;
  TokenRows<const T> q, k, v;
  A* log_sums;  ///< [B, H, L]

  Problem(const AttentionValues& x, const Tensor& lse)
      : tiles(x.tiles()),
        L(x.v.dim(1)),
        H(x.v.dim(2)),
        scale(static_cast<A>(x.scale)),
        causal(x.causal),
        q(x.q),
        k(x.k),
        v(x.v),
        log_sums(lse.data<A>()) {}

  __device__ AttentionTile tile() const { return tiles.at(blockIdx.x / H); }
  __device__ int64_t head() const { return blockIdx.x % H; }
  /// Where head() of a row keeps one number a token.
  __device__ int64_t by_token(int64_t row) const { return (row * H + head()) * L; }
  __device__ bool sees(int64_t i, int64_t j) const { return !causal || j <= i; }
};

__device__ int in_tile(int64_t left, int edge) { return left < edge ? static_cast<int>(left) : edge; }

/// The operands of the next product.
template <class T>
struct Operands {
  Tile<T> left, right;
};

/// a_i . b_j over all of their width. Syncs before the operands are overwritten and before they are read.
template <class T>
__device__ TileProduct<T> dots(Operands<T>& s, const Span<const T>& a, const Span<const T>& b) {
  TileProduct<T> sum;
  for (int64_t column = 0; column < a.width; column += Tile<T>::kEdge) {
    __syncthreads();
    a.load(s.left, column);
    b.load(s.right, column);
    __syncthreads();
    sum.template add<false, true>(s.left, s.right, a.width - column);
  }
  return sum;
}

/// What the forward block shares: the operands, the scores (in the place of the left operand where they have its type),
/// and one factor a row.
template <class T>
struct ForwardShared {
  using A = Accumulator<T>;
  struct None {};
  Operands<T> operands;
  std::conditional_t<std::is_same_v<T, A>, None, Tile<A>> wide;
  A factor[Tile<T>::kEdge];

  __device__ Tile<A>& scores() {
    if constexpr (std::is_same_v<T, A>)
      return operands.left;
    else
      return wide;
  }
};

/// Largest score and sum of weights of one row so far, held alike by the threads that own the row.
template <class T>
class OnlineRow {
  using A = Accumulator<T>;
  static constexpr int kEdge = Tile<T>::kEdge, kOwners = kTileThreads / kEdge;

 public:
  __device__ int row() const { return threadIdx.x / kOwners; }
  __device__ bool leads() const { return threadIdx.x % kOwners == 0; }
  __device__ A sum() const { return sum_; }
  __device__ A log_sum() const { return m_ + log(sum_); }

  /// n scores of the row become weights e^(s - m); factor[row] is what everything before is to be scaled by.
  __device__ void add(ForwardShared<T>& s, int n) {
    const A* const score = s.scores().at[row()];
    T* const weight = s.operands.left.at[row()];
    A m = m_, sum = 0;
    for (int c = threadIdx.x % kOwners; c < n; c += kOwners) m = Max{}(score[c], m);
    m = over_owners(m, Max{});
    for (int c = threadIdx.x % kOwners; c < kEdge; c += kOwners) {
      const A w = c < n ? exp(score[c] - m) : A(0);
      weight[c] = static_cast<T>(w);
      sum += w;
    }
    const A kept = exp(m_ - m);
    sum_ = kept * sum_ + over_owners(sum, Sum{});
    m_ = m;
    if (leads()) s.factor[row()] = kept;
  }

 private:
  template <class Op>
  __device__ static A over_owners(A x, Op op) {
#pragma unroll
    for (int mask = kOwners / 2; mask > 0; mask /= 2) x = op(x, __shfl_xor_sync(0xffffffffu, x, mask));
    return x;
  }

  A m_ = std::numeric_limits<A>::lowest(), sum_ = 0;
};

// Forward, with the log sums.           y_i = sum_j e^(s_ij - m_i) v_j / sum_j e^(s_ij - m_i), s = scale q k'
// Owns:    block = a tile of queries of one head, kEdge columns of y; the keys of the run pass by in order.
// Tiles:   two operands and (BF16) the scores: 33 KB (F32), 35 KB (BF16), 17 KB (F64) of shared memory.
// Traffic: reads q once a tile of keys, k and v once a tile of queries (from the L2 cache); writes y and the log sums.
// Syncs:   five a tile of keys, each before an operand is overwritten or read.
// Numerics: scores, weights' sum and y in Accumulator<T>, weights of the product in T; fixed order.
// Source:  Milakov & Gimelshein 2018, alg. 3; Dao et al. 2022, alg. 1.
template <class T>
__global__ void __launch_bounds__(kTileThreads) forward_kernel(Problem<T> p, TokenRows<T> y) {
  using A = Accumulator<T>;
  constexpr int kEdge = Tile<T>::kEdge;
  __shared__ ForwardShared<T> s;
  const AttentionTile tile = p.tile();
  const int64_t column = int64_t{kEdge} * blockIdx.y, end = p.causal ? tile.start + tile.length : tile.end;
  const int rows = static_cast<int>(tile.length);
  const auto queries = p.q.span(tile.row, p.head(), tile.start, rows);
  OnlineRow<T> own;
  TileProduct<T> sum;
  for (int64_t j = tile.begin; j < end; j += kEdge) {
    const int n = in_tile(end - j, kEdge);
    const TileProduct<T> products = dots<T>(s.operands, queries, p.k.span(tile.row, p.head(), j, n));
    __syncthreads();
    TileProduct<T>::each([&](int slot, int r, int c) {
      const bool seen = p.sees(tile.start + r, j + c);
      s.scores().at[r][c] = seen ? p.scale * products.sum[slot] : -std::numeric_limits<A>::infinity();
    });
    p.v.span(tile.row, p.head(), j, n).load(s.operands.right, column);
    __syncthreads();
    own.add(s, n);
    __syncthreads();
    TileProduct<T>::each([&](int slot, int r, int) { sum.sum[slot] *= s.factor[r]; });
    sum.template add<false, false>(s.operands.left, s.operands.right, n);
  }
  __syncthreads();
  if (own.leads()) {
    s.factor[own.row()] = 1 / own.sum();
    if (blockIdx.y == 0 && own.row() < rows) p.log_sums[p.by_token(tile.row) + tile.start + own.row()] = own.log_sum();
  }
  __syncthreads();
  const Span<T> out = y.span(tile.row, p.head(), tile.start, rows);
  TileProduct<T>::each([&](int slot, int r, int c) {
    if (r < rows && column + c < out.width) out.row(r)[column + c] = static_cast<T>(sum.sum[slot] * s.factor[r]);
  });
}

// The mean of dy_i . v_j over i's weights.   means[b, h, i] = dy_i . y_i
// Owns:    a warp takes a token and head; a lane every 32nd column.
// Traffic: reads y and dy once: bound by memory.      Syncs: none.
// Numerics: Accumulator<T>, fixed order.
template <class T>
__global__ void means_kernel(TokenRows<const T> y, TokenRows<const T> dy, int64_t B, int64_t L, int64_t H,
                             Accumulator<T>* means) {
  using A = Accumulator<T>;
  const int64_t index = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / kWarp;
  if (index >= B * L * H) return;
  const int64_t head = index % H, token = index / H % L, row = index / H / L;
  const auto a = y.span(row, head, token, 1), b = dy.span(row, head, token, 1);
  A own = 0;
  for (int64_t c = threadIdx.x % kWarp; c < a.width; c += kWarp)
    own += static_cast<A>(a.data[c]) * static_cast<A>(b.data[c]);
  const A sum = warp_sum(own);
  if (threadIdx.x % kWarp == 0) means[(row * H + head) * L + token] = sum;
}

/// What backward knows besides.
template <class T>
struct Upstream {
  TokenRows<const T> dy;
  const Accumulator<T>* means;  ///< [B, H, L]
};

/// Queries [i, i + m) and keys [j, j + n) of one row.
struct Pair {
  int64_t row, i, j;
  int m, n;
};

/// The weights M_ij of a pair of tiles, 0 where there is none; or the gradient of the scores, M_ij (dy_i . v_j -
/// mean_i).
template <class T>
__device__ TileProduct<T> weights(const Problem<T>& p, Operands<T>& s, const Pair& at) {
  TileProduct<T> M = dots<T>(s, p.q.span(at.row, p.head(), at.i, at.m), p.k.span(at.row, p.head(), at.j, at.n));
  const Accumulator<T>* const log_sums = p.log_sums + p.by_token(at.row) + at.i;
  TileProduct<T>::each([&](int slot, int r, int c) {
    const bool seen = r < at.m && c < at.n && p.sees(at.i + r, at.j + c);
    M.sum[slot] = seen ? exp(p.scale * M.sum[slot] - log_sums[r]) : Accumulator<T>(0);
  });
  return M;
}
template <class T>
__device__ TileProduct<T> score_gradients(const Problem<T>& p, const Upstream<T>& up, Operands<T>& s, const Pair& at) {
  TileProduct<T> ds = weights(p, s, at);
  const auto dM = dots<T>(s, up.dy.span(at.row, p.head(), at.i, at.m), p.v.span(at.row, p.head(), at.j, at.n));
  const Accumulator<T>* const means = up.means + p.by_token(at.row) + at.i;
  TileProduct<T>::each([&](int slot, int r, int) { ds.sum[slot] *= dM.sum[slot] - (r < at.m ? means[r] : 0); });
  return ds;
}

/// The left operand becomes `values`, the right one columns of rows. Syncs before and after.
template <class T>
__device__ void place(Operands<T>& s, const TileProduct<T>& values, const Span<const T>& rows, int64_t column) {
  __syncthreads();
  TileProduct<T>::each([&](int slot, int r, int c) { s.left.at[r][c] = static_cast<T>(values.sum[slot]); });
  rows.load(s.right, column);
  __syncthreads();
}

template <class T>
__device__ void store(const TileProduct<T>& sum, Accumulator<T> scale, const Span<T>& to, int64_t column) {
  TileProduct<T>::each([&](int slot, int r, int c) {
    if (r < to.count && column + c < to.width) to.row(r)[column + c] = static_cast<T>(scale * sum.sum[slot]);
  });
}

// Gradient of the queries.              dq_i = scale sum_j ds_ij k_j
// Owns:    block = a tile of queries of one head, kEdge columns of dq; the keys of the run pass by in order.
// Tiles:   two operands in shared memory; scores, dy v' and dq in registers.
// Traffic: reads q, dy, k and v once a pair of tiles (from the L2 cache), writes dq.
// Syncs:   two a product.     Numerics: sums in Accumulator<T>, ds of the product in T; fixed order.
template <class T>
__global__ void __launch_bounds__(kTileThreads) query_gradients(Problem<T> p, Upstream<T> up, TokenRows<T> dq) {
  constexpr int kEdge = Tile<T>::kEdge;
  __shared__ Operands<T> s;
  const AttentionTile tile = p.tile();
  const int64_t column = int64_t{kEdge} * blockIdx.y, end = p.causal ? tile.start + tile.length : tile.end;
  const int m = static_cast<int>(tile.length);
  TileProduct<T> sum;
  for (int64_t j = tile.begin; j < end; j += kEdge) {
    const Pair at{tile.row, tile.start, j, m, in_tile(end - j, kEdge)};
    place(s, score_gradients(p, up, s, at), p.k.span(tile.row, p.head(), j, at.n), column);
    sum.template add<false, false>(s.left, s.right, at.n);
  }
  store(sum, p.scale, dq.span(tile.row, p.head(), tile.start, m), column);
}

// Gradients of the values and the keys. dv_j = sum_i M_ij dy_i,   dk_j = scale sum_i ds_ij q_i
// Owns:    block = a tile of keys of one head, kEdge columns of dv or, behind those, of dk; all queries pass by.
// Tiles:   two operands in shared memory; scores, dy v' and the sum in registers.
// Traffic: reads q and k (for dk also dy and v) once a pair of tiles (from the L2 cache), writes dv or dk.
// Syncs:   two a product.     Numerics: sums in Accumulator<T>, M and ds of the product in T; fixed order.
template <class T>
__global__ void __launch_bounds__(kTileThreads)
    key_gradients(Problem<T> p, Upstream<T> up, TokenRows<T> dk, TokenRows<T> dv) {
  constexpr int kEdge = Tile<T>::kEdge;
  __shared__ Operands<T> s;
  const AttentionTile tile = p.tile();
  const int64_t of_values = (dv.width + kEdge - 1) / kEdge;
  const bool is_value = blockIdx.y < of_values;
  const int64_t column = kEdge * (is_value ? blockIdx.y : blockIdx.y - of_values);
  const int n = static_cast<int>(tile.length);
  TileProduct<T> sum;
  for (int64_t i = p.causal ? tile.start : tile.begin; i < tile.end; i += kEdge) {
    const Pair at{tile.row, i, tile.start, in_tile(tile.end - i, kEdge), n};
    if (is_value)
      place(s, weights(p, s, at), up.dy.span(tile.row, p.head(), i, at.m), column);
    else
      place(s, score_gradients(p, up, s, at), p.q.span(tile.row, p.head(), i, at.m), column);
    sum.template add<true, false>(s.left, s.right, at.m);
  }
  const TokenRows<T>& to = is_value ? dv : dk;
  store(sum, is_value ? Accumulator<T>(1) : p.scale, to.span(tile.row, p.head(), tile.start, n), column);
}

/// A block for each tile of tokens and head, and for each tile of `widths`' columns.
template <class T>
dim3 grid(const AttentionValues& x, std::initializer_list<int64_t> widths) {
  constexpr int64_t kEdge = Tile<T>::kEdge;
  int64_t columns = 0;
  for (const int64_t width : widths) columns += (width + kEdge - 1) / kEdge;
  require(columns <= 65535, "attention", "on CUDA E and P must be at most ", 65535 * kEdge / 2, " wide");
  return dim3(blocks(x.tile_count() * x.v.dim(2), 1), static_cast<unsigned>(columns));
}

}  // namespace

void attention_forward(const AttentionValues& values, const Tensor& y, const Tensor& lse) {
  dispatch_float(values.v.dtype(), "attention", [&]<class T>() {
    forward_kernel<T>
        <<<grid<T>(values, {y.dim(3)}), kTileThreads, 0, stream()>>>(Problem<T>(values, lse), TokenRows<T>(y));
  });
}

void attention_backward(const AttentionValues& values, const Tensor& y, const Tensor& lse, const Tensor& dy,
                        const AttentionGradients& to) {
  dispatch_float(values.v.dtype(), "attention", [&]<class T>() {
    constexpr int kThreads = 128;
    const int64_t B = y.dim(0), L = y.dim(1), H = y.dim(2), E = to.dq.dim(3), P = y.dim(3);
    const Tensor means = empty_like(lse);
    means_kernel<T><<<blocks(B * L * H * kWarp, kThreads), kThreads, 0, stream()>>>(
        TokenRows<const T>(y), TokenRows<const T>(dy), B, L, H, means.data<Accumulator<T>>());
    const Problem<T> p(values, lse);
    const Upstream<T> up{TokenRows<const T>(dy), means.data<Accumulator<T>>()};
    query_gradients<T><<<grid<T>(values, {E}), kTileThreads, 0, stream()>>>(p, up, TokenRows<T>(to.dq));
    key_gradients<T>
        <<<grid<T>(values, {P, E}), kTileThreads, 0, stream()>>>(p, up, TokenRows<T>(to.dk), TokenRows<T>(to.dv));
  });
}

}  // namespace matmix::cuda
