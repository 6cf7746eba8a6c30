#include "ops/conv1d/conv1d_kernels.h"
#include "ops/elementwise/functors.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/vector.cuh"

namespace matmix::cuda {
namespace {

constexpr int kLanes = 32;  // threads along channels, four channels each
constexpr int kTokens = 8;  // tokens a thread, in registers
constexpr int kWarps = 4;   // of a block of the convolution, each with tokens of its own

/// A [B, L, C] tensor with dense rows.
template <class T>
struct Rows {
  T* data = nullptr;
  int64_t row = 0, token = 0;
  bool whole = true;
  explicit Rows(const Tensor& x)
      : data(x.data<T>()),
        row(x.stride(0)),
        token(x.stride(1)),
        whole(moves_whole_fours(data, row) && token % 4 == 0) {}
  __device__ T* at(int64_t b, int64_t i, int64_t c) const { return data + b * row + i * token + c; }
};

/// Sizes, and which run each token is in: null if every row is one run.
struct Geometry {
  int64_t B, L, C, width, left, act_channels;
  const int32_t* id;

  Geometry(const Tensor& x, int64_t width, const Conv1dTaps& g, const Runs& runs)
      : B(x.dim(0)),
        L(x.dim(1)),
        C(x.dim(2)),
        width(width),
        left(g.left),
        act_channels(g.act_channels),
        id(runs.is_full() ? nullptr : runs.id(x.device()).data<int32_t>()) {}

  __device__ bool padding(int64_t b, int64_t i) const { return id != nullptr && id[b * L + i] < 0; }
  /// Whether token j counts for token i (both of row b, i no padding).
  __device__ bool together(int64_t b, int64_t i, int64_t j) const {
    return j >= 0 && j < L && (id == nullptr || id[b * L + j] == id[b * L + i]);
  }
};

/// u of kTokens tokens from i0 on, four channels from c on.
template <class T>
__device__ void correlate(const Rows<T>& x, const Accumulator<T>* taps, const Accumulator<T>* bias, const Geometry& g,
                          int64_t b, int64_t i0, int64_t c, Four<Accumulator<T>> (&u)[kTokens]) {
  const int64_t left_over = g.C - c;
  const bool whole_taps = g.C % 4 == 0;
#pragma unroll
  for (int t = 0; t < kTokens; ++t) u[t] = load4(bias + c, left_over, whole_taps);
  for (int64_t k = 0; k < g.width; ++k) {
    const auto w = load4(taps + k * g.C + c, left_over, whole_taps);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const int64_t i = i0 + t, j = i + k - g.left;
      if (i >= g.L || !g.together(b, i, j)) continue;
      const auto in = load4(x.at(b, j, c), left_over, x.whole);
#pragma unroll
      for (int n = 0; n < 4; ++n) u[t][n] += w[n] * in[n];
    }
  }
}

/// Where a thread works: row b, tokens i0 .. i0 + kTokens, channels c .. c + 3. False: nowhere.
__device__ bool place(const Geometry& g, int64_t& b, int64_t& i0, int64_t& c) {
  const int64_t tiles = (g.L + kTokens - 1) / kTokens;
  const int64_t tile = int64_t{blockIdx.x} * kWarps + threadIdx.y;
  b = tile / tiles;
  i0 = tile % tiles * kTokens;
  c = 4 * (int64_t{blockIdx.y} * kLanes + threadIdx.x);
  return b < g.B && c < g.C;
}

dim3 grid(const Geometry& g) {
  const int64_t tiles = g.B * ((g.L + kTokens - 1) / kTokens);
  return dim3(blocks(tiles, kWarps), blocks(g.C, 4 * kLanes));
}

// Depthwise convolution.      y[b, i, c] = act(bias[c] + sum_k taps[k, c] x[b, i + k - left, c])  within the run of i
// Owns:    a warp has 8 tokens x 128 channels, a lane four channels of them; a block is 4 such warps.
// Traffic: reads x and writes y once; the width re-reads of x hit the first cache, taps are read once for 8 tokens.
//          2 width flops an element: bound by memory.
// Numerics: sums in Accumulator<T>, taps in order k; padding is written 0.
template <class F, class T>
__global__ void forward_kernel(Rows<T> x, const Accumulator<T>* taps, const Accumulator<T>* bias, Geometry g,
                               Rows<T> y) {
  int64_t b, i0, c;
  if (!place(g, b, i0, c)) return;
  Four<Accumulator<T>> u[kTokens];
  correlate(x, taps, bias, g, b, i0, c, u);
#pragma unroll
  for (int t = 0; t < kTokens; ++t) {
    if (i0 + t >= g.L) return;
    const bool padding = g.padding(b, i0 + t);
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      const auto acted = c + n < g.act_channels ? F::value(u[t][n]) : u[t][n];
      u[t][n] = padding ? Accumulator<T>(0) : acted;
    }
    store4(y.at(b, i0 + t, c), u[t], g.C - c, y.whole);
  }
}

// Slope of the activation.    du = dy act'(u), u computed again from x; dy where the activation does not reach.
// Owns, traffic: as above, one more read.
template <class F, class T>
__global__ void slope_kernel(Rows<T> x, const Accumulator<T>* taps, const Accumulator<T>* bias, Geometry g, Rows<T> dy,
                             Rows<T> du) {
  int64_t b, i0, c;
  if (!place(g, b, i0, c)) return;
  Four<Accumulator<T>> u[kTokens];
  if (c < g.act_channels) correlate(x, taps, bias, g, b, i0, c, u);
#pragma unroll
  for (int t = 0; t < kTokens; ++t) {
    if (i0 + t >= g.L) return;
    auto d = load4(dy.at(b, i0 + t, c), g.C - c, dy.whole);
    const bool padding = g.padding(b, i0 + t);
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      if (c + n < g.act_channels) d[n] *= slope_at<F>(u[t][n]);
      if (padding) d[n] = 0;
    }
    store4(du.at(b, i0 + t, c), d, g.C - c, du.whole);
  }
}

constexpr int kTapWarps = 8;

// Sums for the taps.          partial[piece, k, c] = sum over tokens i of the piece of du[i, c] x[i + k - left, c]; row
// width: of du[i, c] Owns:    block = one piece of 256 tokens x 128 channels; warp w has taps w, w + 8, ...; a lane
// four channels. Traffic: du and x are read once from memory; the warps' re-reads hit the first cache. Numerics: tokens
// in order, Accumulator<T>; the sum over pieces follows in fixed order (tensor/accumulate).
template <class T>
__global__ void tap_sums_kernel(Rows<T> x, Rows<T> du, Geometry g, Accumulator<T>* partial) {
  const int64_t c = 4 * (int64_t{blockIdx.y} * kLanes + threadIdx.x);
  if (c >= g.C) return;
  const int64_t first = int64_t{blockIdx.x} * kConv1dPiece, last = min(first + kConv1dPiece, g.B * g.L);
  for (int64_t k = threadIdx.y; k <= g.width; k += kTapWarps) {
    Four<Accumulator<T>> sum{};
    for (int64_t flat = first; flat < last; ++flat) {
      const int64_t b = flat / g.L, i = flat % g.L, j = k == g.width ? i : i + k - g.left;
      if (g.padding(b, i) || !g.together(b, i, j)) continue;
      const auto d = load4(du.at(b, i, c), g.C - c, du.whole);
      if (k == g.width) {
#pragma unroll
        for (int n = 0; n < 4; ++n) sum[n] += d[n];
      } else {
        const auto in = load4(x.at(b, j, c), g.C - c, x.whole);
#pragma unroll
        for (int n = 0; n < 4; ++n) sum[n] += d[n] * in[n];
      }
    }
    store4(partial + (int64_t{blockIdx.x} * (g.width + 1) + k) * g.C + c, sum, g.C - c, g.C % 4 == 0);
  }
}

}  // namespace

void conv1d_forward(const Tensor& x, const Tensor& taps, const Tensor& bias, const Conv1dTaps& taken, const Runs& runs,
                    const Tensor& y) {
  if (x.numel() == 0) return;
  dispatch_float(x.dtype(), "conv1d", [&]<class T>() {
    dispatch_activation(taken.act, [&]<class F>() {
      const Geometry g(x, taps.dim(0), taken, runs);
      forward_kernel<F><<<grid(g), dim3(kLanes, kWarps), 0, stream()>>>(Rows<T>(x), taps.data<Accumulator<T>>(),
                                                                        bias.data<Accumulator<T>>(), g, Rows<T>(y));
    });
  });
}

void conv1d_slope(const Tensor& x, const Tensor& taps, const Tensor& bias, const Conv1dTaps& taken, const Runs& runs,
                  const Tensor& dy, const Tensor& du) {
  if (x.numel() == 0) return;
  dispatch_float(x.dtype(), "conv1d", [&]<class T>() {
    dispatch_activation(taken.act, [&]<class F>() {
      const Geometry g(x, taps.dim(0), taken, runs);
      slope_kernel<F><<<grid(g), dim3(kLanes, kWarps), 0, stream()>>>(
          Rows<T>(x), taps.data<Accumulator<T>>(), bias.data<Accumulator<T>>(), g, Rows<T>(dy), Rows<T>(du));
    });
  });
}

void conv1d_tap_sums(const Tensor& x, const Tensor& du, const Conv1dTaps& taken, const Runs& runs,
                     const Tensor& partial) {
  if (x.numel() == 0) return;
  dispatch_float(x.dtype(), "conv1d", [&]<class T>() {
    const Geometry g(x, partial.dim(1) - 1, taken, runs);
    const dim3 grid(static_cast<unsigned>(partial.dim(0)), blocks(g.C, 4 * kLanes));
    tap_sums_kernel<<<grid, dim3(kLanes, kTapWarps), 0, stream()>>>(Rows<T>(x), Rows<T>(du), g,
                                                                    partial.data<Accumulator<T>>());
  });
}

}  // namespace matmix::cuda
