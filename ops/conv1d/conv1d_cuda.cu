#include "ops/conv1d/conv1d_kernels.h"
#include "ops/elementwise/functors.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/reduce.cuh"
#include "tensor/cuda/rows.cuh"

namespace matmix::cuda {
namespace {

constexpr int kTokens = 4;            // neighbours that a thread takes at once
constexpr int kTaps = 8;              // taps that it holds in registers; wider convolutions take several turns
constexpr int kChannels = 4 * kWarp;  // of a warp, four a lane

/// Which run each token of the flat batch is in.
struct Tokens {
  int64_t count, L;
  const int32_t* id;  // null if every row is one run

  explicit Tokens(const Runs& runs, Device device)
      : count(runs.B() * runs.L()), L(runs.L()), id(runs.is_full() ? nullptr : runs.id(device).data<int32_t>()) {}

  /// -1 for padding and outside the batch.
  __device__ int run_of(int64_t i) const {
    if (i < 0 || i >= count) return -1;
    return id ? id[i] : static_cast<int>(static_cast<uint32_t>(i) / static_cast<uint32_t>(L));
  }
  __device__ void runs_of(int64_t i, int (&runs)[kTokens]) const {
#pragma unroll
    for (int t = 0; t < kTokens; ++t) runs[t] = run_of(i + t);
  }
};

/// Calls f(t, k, x) for tokens i0 + t and taps k0 + k, k ascending for each t, where x is row i0 + t + k0 + k - left
/// and lies in the run of i0 + t. Each row is loaded once. t and k are known when f is compiled: its arrays stay in
/// registers.
template <class T, class F>
__device__ void for_each_reached(const Rows<const T>& x, const Tokens& tokens, const int (&runs)[kTokens], int64_t i0,
                                 int64_t k0, int64_t width, int64_t left, int64_t c, F&& f) {
#pragma unroll
  for (int r = 0; r < kTokens + kTaps - 1; ++r) {
    const int64_t j = i0 + k0 + r - left;
    const int run = tokens.run_of(j);
    if (run < 0) continue;
    const auto in = x.load(j, c);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const int k = r - t;
      if (k >= 0 && k < kTaps && k0 + k < width && run == runs[t]) f(t, k, in);
    }
  }
}

/// The same where one run holds the tokens and every row that they reach, in fours that may be moved whole: the rows
/// are waited for together.
template <class T, class F>
__device__ void for_each_inside(const Rows<const T>& x, int64_t i0, int64_t k0, int64_t width, int64_t left, int64_t c,
                                F&& f) {
  constexpr int kRows = kTokens + kTaps - 1;
  const int64_t first = i0 + k0 - left, rows = kTokens + width - k0 - 1;
  typename Rows<const T>::Wide in[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r)
    if (r < rows) in[r] = x.load_whole(first + r, c);
#pragma unroll
  for (int r = 0; r < kRows; ++r)
#pragma unroll
    for (int t = 0; t < kTokens; ++t)
      if (const int k = r - t; k >= 0 && k < kTaps && k0 + k < width) f(t, k, in[r]);
}

/// A convolution as a kernel takes it.
template <class T>
struct Rule {
  using A = Accumulator<T>;
  using Sums = Four<A>[kTokens];
  Rows<const A> taps, bias;
  int64_t width, left, act_channels;
  bool reversed;

  explicit Rule(const Conv1dRule& r)
      : taps(r.taps),
        bias(r.bias),
        width(r.taps.dim(0)),
        left(r.left),
        act_channels(r.act_channels),
        reversed(r.reversed) {}

  /// u of kTokens tokens from i0 on, four channels from c on.
  __device__ void correlate(const Rows<const T>& x, const Tokens& tokens, int64_t i0, int64_t c, Sums& u) const {
    const int run = tokens.run_of(i0 - left);
    if (run >= 0 && run == tokens.run_of(i0 + kTokens - 1 + width - 1 - left) && x.has_whole(c)) {
      sum(u, c, [&](int64_t k0, auto&& add) { for_each_inside(x, i0, k0, width, left, c, add); });
    } else {
      Sums at_edge;
      correlate_at_edge(x, tokens, i0, c, at_edge);
#pragma unroll
      for (int t = 0; t < kTokens; ++t) u[t] = at_edge[t];
    }
  }

 private:
  /// Few warps come here; in a function of its own it costs the others no registers.
  __device__ __noinline__ void correlate_at_edge(const Rows<const T>& x, const Tokens& tokens, int64_t i0, int64_t c,
                                                 Sums& u) const {
    int runs[kTokens];
    tokens.runs_of(i0, runs);
    sum(u, c, [&](int64_t k0, auto&& add) { for_each_reached(x, tokens, runs, i0, k0, width, left, c, add); });
  }
  /// u = bias + the terms that each(k0, add) finds for kTaps taps from k0 on.
  template <class F>
  __device__ void sum(Sums& u, int64_t c, F&& each) const {
#pragma unroll
    for (int t = 0; t < kTokens; ++t) u[t] = bias.load(0, c);
    for (int64_t k0 = 0; k0 < width; k0 += kTaps) {
      Four<A> w[kTaps] = {};
#pragma unroll
      for (int k = 0; k < kTaps; ++k)
        if (k0 + k < width) w[k] = taps.load(reversed ? width - 1 - k0 - k : k0 + k, c);
      each(k0, [&](int t, int k, const Four<A>& in) {
#pragma unroll
        for (int n = 0; n < 4; ++n) u[t][n] += w[k][n] * in[n];
      });
    }
  }
};

/// Blocks go through the channels first, so that those at work together read and write one stretch of memory.
struct Place {
  int64_t row, channels;  // of blocks

  __device__ explicit Place(int64_t columns) {
    const auto across = static_cast<uint32_t>((columns + kChannels - 1) / kChannels);
    row = blockIdx.x / across;
    channels = blockIdx.x % across;
  }
  /// The first of this thread's four channels.
  __device__ int64_t first() const { return channels * kChannels + 4 * threadIdx.x; }
  static unsigned grid(const Tensor& x, int64_t tokens_a_block) {
    return blocks(int64_t{blocks(x.dim(0), tokens_a_block)} * blocks(x.dim(1), kChannels), 1);
  }
};

constexpr int kWarps = 4, kBlockThreads = kWarps * kWarp;  // of a block of the two kernels below

// Depthwise convolution.       y[i, c] = act(bias[c] + sum_k taps[k, c] x[i + k - left, c])  within the run of i
// Owns:    a warp has 4 tokens x 128 channels, a lane four of the channels; a block is 4 warps, one below the other.
// Tiles:   8 taps, 4 sums and 11 rows of four channels in registers, the rows all on their way at once; at the edges of
// runs one after another.
// Traffic: reads x and writes y once, what neighbouring warps read again hits the caches: bound by memory.
// Numerics: sums in Accumulator<T>, taps in order; padding is written 0.
template <class F, class T>
__global__ void __launch_bounds__(kBlockThreads, sizeof(T) == 8 ? 2 : 4)
    forward_kernel(Rows<const T> x, Rule<T> rule, Tokens tokens, Rows<T> y) {
  const Place place(x.columns);
  const int64_t i0 = (place.row * kWarps + threadIdx.y) * kTokens, c = place.first();
  int runs[kTokens];
  Four<Accumulator<T>> u[kTokens];
  tokens.runs_of(i0, runs);
  rule.correlate(x, tokens, i0, c, u);
#pragma unroll
  for (int t = 0; t < kTokens; ++t) {
    if (i0 + t >= tokens.count) return;
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      if (c + n < rule.act_channels) u[t][n] = F::value(u[t][n]);
      if (runs[t] < 0) u[t][n] = 0;
    }
    y.store(i0 + t, c, u[t]);
  }
}

// Slope of the activation.     du = dy act'(u), u computed again from x; dy where the activation does not reach
// Owns, tiles, traffic: as above, one more read.
template <class F, class T>
__global__ void __launch_bounds__(kBlockThreads, sizeof(T) == 8 ? 2 : 4)
    slope_kernel(Rows<const T> x, Rule<T> rule, Tokens tokens, Rows<const T> dy, Rows<T> du) {
  const Place place(x.columns);
  const int64_t i0 = (place.row * kWarps + threadIdx.y) * kTokens, c = place.first();
  int runs[kTokens];
  Four<Accumulator<T>> u[kTokens];
  tokens.runs_of(i0, runs);
  if (c < rule.act_channels) rule.correlate(x, tokens, i0, c, u);
#pragma unroll
  for (int t = 0; t < kTokens; ++t) {
    if (i0 + t >= tokens.count) return;
    auto d = dy.load(i0 + t, c);
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      if (c + n < rule.act_channels) d[n] *= slope_at<F>(u[t][n]);
      if (runs[t] < 0) d[n] = 0;
    }
    du.store(i0 + t, c, d);
  }
}

constexpr int kSumWarps = 8;

/// partial row `row` of four channels from c on = sum over the warps of their `sum`, in order.
template <class A>
__device__ void store_block_sum(const Four<A>& sum, Four<A> (&shared)[kSumWarps][kWarp], const Rows<A>& partial,
                                int64_t row, int64_t c) {
  __syncthreads();
  shared[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0) return;
  Four<A> total = sum;
  for (int w = 1; w < kSumWarps; ++w)
#pragma unroll
    for (int n = 0; n < 4; ++n) total[n] += shared[w][threadIdx.x][n];
  partial.store(row, c, total);
}

// Sums for the taps.           partial[piece, k, c] = sum over tokens i of the piece of du[i, c] x[i + k - left, c];
//                              partial[piece, width, c] = sum of du[i, c]
// Owns:    block = one piece of 256 tokens x 128 channels; each of 8 warps 32 of the tokens, a lane four of the channels.
// Tiles:   8 sums and 4 rows of du in registers; 32 x 8 sums of four in shared memory, once for each tap.
// Traffic: reads du and x once (again for every 8 taps beyond the first): bound by memory.
// Syncs:   two a tap: before the warps' sums are written, and before they are added.
// Numerics: Accumulator<T>; tokens in order within a warp, warps in order, pieces summed later by tensor/accumulate.
template <class T>
__global__ void tap_sums_kernel(Rows<const T> x, Rows<const T> du, Tokens tokens, int64_t width, int64_t left,
                                Rows<Accumulator<T>> partial) {
  using A = Accumulator<T>;
  constexpr int kEach = kConv1dPiece / kSumWarps;
  __shared__ Four<A> shared[kSumWarps][kWarp];
  const Place place(x.columns);
  const int64_t first = place.row * kConv1dPiece + threadIdx.y * kEach, row = place.row * (width + 1);
  const int64_t c = place.first();
  Four<A> total = {};
  for (int64_t k0 = 0; k0 < width; k0 += kTaps) {
    Four<A> sums[kTaps] = {};
    for (int64_t i0 = first; i0 < first + kEach; i0 += kTokens) {
      int runs[kTokens];
      Four<A> d[kTokens] = {};
      tokens.runs_of(i0, runs);
#pragma unroll
      for (int t = 0; t < kTokens; ++t) {
        if (runs[t] >= 0) d[t] = du.load(i0 + t, c);
#pragma unroll
        for (int n = 0; n < 4; ++n)
          if (k0 == 0) total[n] += d[t][n];
      }
      for_each_reached(x, tokens, runs, i0, k0, width, left, c, [&](int t, int k, const Four<A>& in) {
#pragma unroll
        for (int n = 0; n < 4; ++n) sums[k][n] += d[t][n] * in[n];
      });
    }
#pragma unroll
    for (int k = 0; k < kTaps; ++k)
      if (k0 + k < width) store_block_sum(sums[k], shared, partial, row + k0 + k, c);
  }
  store_block_sum(total, shared, partial, row + width, c);
}

constexpr dim3 kBlock(kWarp, kWarps);
unsigned grid(const Tensor& x) { return Place::grid(x, kWarps * kTokens); }

}  // namespace

void conv1d_forward(const Tensor& x, const Conv1dRule& rule, const Runs& runs, const Tensor& y) {
  if (x.numel() == 0) return;
  dispatch_float(x.dtype(), "conv1d", [&]<class T>() {
    dispatch_activation(rule.act, [&]<class F>() {
      forward_kernel<F, T>
          <<<grid(x), kBlock, 0, stream()>>>(Rows<const T>(x), Rule<T>(rule), Tokens(runs, x.device()), Rows<T>(y));
    });
  });
}

void conv1d_slope(const Tensor& x, const Conv1dRule& rule, const Runs& runs, const Tensor& dy, const Tensor& du) {
  if (x.numel() == 0) return;
  dispatch_float(x.dtype(), "conv1d", [&]<class T>() {
    dispatch_activation(rule.act, [&]<class F>() {
      slope_kernel<F, T><<<grid(x), kBlock, 0, stream()>>>(Rows<const T>(x), Rule<T>(rule), Tokens(runs, x.device()),
                                                           Rows<const T>(dy), Rows<T>(du));
    });
  });
}

void conv1d_tap_sums(const Tensor& x, const Tensor& du, int64_t left, const Runs& runs, const Tensor& partial) {
  if (partial.numel() == 0) return;
  dispatch_float(x.dtype(), "conv1d", [&]<class T>() {
    const Tensor rows = partial.reshape({partial.dim(0) * partial.dim(1), partial.dim(2)});
    tap_sums_kernel<T><<<Place::grid(x, kConv1dPiece), dim3(kWarp, kSumWarps), 0, stream()>>>(
        Rows<const T>(x), Rows<const T>(du), Tokens(runs, x.device()), partial.dim(1) - 1, left,
        Rows<Accumulator<T>>(rows));
  });
}

}  // namespace matmix::cuda
