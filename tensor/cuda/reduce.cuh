#pragma once

namespace matmix::cuda {

inline constexpr int kWarp = 32;

struct Sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

/// The larger one; NaN if either is.
struct Max {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};

// All of these combine in one fixed order and give every thread the same bits. op must be commutative.

/// Over the 32 lanes of a warp, all of which must call.
template <class T, class Op>
__device__ T warp_reduce(T x, Op op) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) x = op(x, __shfl_xor_sync(0xffffffffu, x, mask));
  return x;
}
template <class T>
__device__ T warp_sum(T x) {
  return warp_reduce(x, Sum{});
}
template <class T>
__device__ T warp_max(T x) {
  return warp_reduce(x, Max{});
}

/// Over a 1-D block of kThreads, all of which must call: first in each warp, then over the warps in order.
/// Syncs twice: before its shared memory (one T a warp) is reused, and before it is read.
template <int kThreads, class T, class Op>
__device__ T block_reduce(T x, Op op) {
  static_assert(kThreads % kWarp == 0 && kThreads <= 1024, "a block is whole warps");
  constexpr int kWarps = kThreads / kWarp;
  x = warp_reduce(x, op);
  if constexpr (kWarps > 1) {
    __shared__ T partial[kWarps];
    __syncthreads();
    if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = x;
    __syncthreads();
    x = partial[0];
#pragma unroll
    for (int w = 1; w < kWarps; ++w) x = op(x, partial[w]);
  }
  return x;
}
template <int kThreads, class T>
__device__ T block_sum(T x) {
  return block_reduce<kThreads>(x, Sum{});
}
template <int kThreads, class T>
__device__ T block_max(T x) {
  return block_reduce<kThreads>(x, Max{});
}

}  // namespace matmix::cuda
