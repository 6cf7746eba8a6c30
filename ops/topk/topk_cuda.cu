#include "ops/topk/topk_kernels.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/reduce.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 256;

/// An element of a row; index n: none, which comes after all others.
template <class A>
struct Element {
  A value;
  int64_t index;
};

template <class A>
__device__ bool before(const Element<A>& x, const Element<A>& y, int64_t n) {
  if (x.index == n || y.index == n) return x.index < y.index;
  return ranks_before(x.value, x.index, y.value, y.index);
}

/// The first of the block's candidates, for every thread.
template <class A>
__device__ Element<A> first_of_block(Element<A> mine, int64_t n) {
  __shared__ Element<A> of_warp[kThreads / kWarp];
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const Element<A> other{__shfl_xor_sync(0xffffffffu, mine.value, mask),
                           __shfl_xor_sync(0xffffffffu, mine.index, mask)};
    if (before(other, mine, n)) mine = other;
  }
  __syncthreads();
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = mine;
  __syncthreads();
  mine = of_warp[0];
  for (int w = 1; w < kThreads / kWarp; ++w)
    if (before(of_warp[w], mine, n)) mine = of_warp[w];
  return mine;
}

// Where the k largest of a row stand.   indices[r, :] = first k of row r by ranks_before
// Owns:    block = 1 row; thread = every 256th column. Round by round the block finds the first element behind the one
//          it found last; nothing is marked or moved.
// Traffic: reads k R n elements, all but the first n of a row from the caches where it fits; writes k R indices.
// Syncs:   two __syncthreads a round, before the candidates of the warps are written and before they are read.
// Numerics: compares only; the order is total, so the result does not depend on how columns are shared out.
// Requires: 0 < k <= n.
template <class T>
__global__ void __launch_bounds__(kThreads)
    topk_kernel(const T* __restrict__ x, int64_t* __restrict__ indices, int64_t n, int64_t k) {
  using A = Accumulator<T>;
  const T* row = x + int64_t{blockIdx.x} * n;
  Element<A> last{};
  for (int64_t round = 0; round < k; ++round) {
    Element<A> mine{A(0), n};
    for (int64_t i = threadIdx.x; i < n; i += kThreads) {
      const Element<A> candidate{static_cast<A>(row[i]), i};
      if ((round == 0 || before(last, candidate, n)) && before(candidate, mine, n)) mine = candidate;
    }
    last = first_of_block(mine, n);
    if (threadIdx.x == 0) indices[int64_t{blockIdx.x} * k + round] = last.index;
  }
}

}  // namespace

void topk(const Tensor& x, const Tensor& indices) {
  dispatch_float(x.dtype(), "topk", [&]<class T>() {
    topk_kernel<<<blocks(x.dim(0), 1), kThreads, 0, stream()>>>(x.data<T>(), indices.data<int64_t>(), x.dim(1),
                                                                indices.dim(1));
  });
}

}  // namespace matmix::cuda
