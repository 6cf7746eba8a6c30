#include "ops/gather/gather_kernels.h"
#include "tensor/cuda/launch.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 256;

/// index [A, m, W] by its strides.
struct Index {
  const int64_t* data;
  int64_t by_a, by_i, by_w;

  explicit Index(const Tensor& x) : data(x.data<int64_t>()), by_a(x.stride(0)), by_i(x.stride(1)), by_w(x.stride(2)) {}
  __device__ int64_t operator()(int64_t a, int64_t i, int64_t w) const { return data[a * by_a + i * by_i + w * by_w]; }
};

// Gather along the middle axis.         y[a, i, w] = x[a, index[a, i, w], w], NaN for an index outside [0, n)
// Owns:    thread = 1 element of y; neighbours are neighbours along w.
// Traffic: reads A m W indices (fewer where the index is broadcast) and elements, writes as many: bound by memory.
// Syncs:   none.     Numerics: copies.     Requires: x, y contiguous.
template <class T>
__global__ void gather_kernel(const T* __restrict__ x, Index index, T* __restrict__ y, int64_t n, int64_t m, int64_t W,
                              int64_t count) {
  const int64_t t = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (t >= count) return;
  const int64_t w = t % W, i = t / W % m, a = t / W / m, j = index(a, i, w);
  y[t] = j >= 0 && j < n ? x[(a * n + j) * W + w] : static_cast<T>(NAN);
}

// Sum by index along the middle axis.   y[a, index[a, i, w], w] += x[a, i, w]; an index outside [0, n) adds nothing
// Owns:    thread = 1 column (a, w) of x and y, which it walks in ascending i: no other thread writes there.
// Traffic: reads A m W indices and elements; a sum is read and written once for each stretch of equal indices.
//          Neighbours read neighbours along w. Few columns leave most of the device idle: see ops/embedding.
// Syncs:   none.     Numerics: sums in Accumulator<T>, in order of i.     Requires: x, y contiguous.
template <class T>
__global__ void scatter_kernel(const T* __restrict__ x, Index index, Accumulator<T>* __restrict__ y, int64_t n,
                               int64_t m, int64_t W, int64_t columns) {
  using Sum = Accumulator<T>;
  const int64_t t = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (t >= columns) return;
  const int64_t w = t % W, a = t / W;
  const T* from = x + a * m * W + w;
  Sum* to = y + a * n * W + w;
  int64_t open = -1;
  Sum sum = 0;
#pragma unroll 4
  for (int64_t i = 0; i < m; ++i) {
    const int64_t j = index(a, i, w);
    const Sum term = static_cast<Sum>(from[i * W]);
    if (j < 0 || j >= n) continue;
    if (j != open) {
      if (open >= 0) to[open * W] = sum;
      open = j;
      sum = to[j * W];
    }
    sum += term;
  }
  if (open >= 0) to[open * W] = sum;
}

}  // namespace

void gather(const Tensor& x, const Tensor& index, const Tensor& y) {
  dispatch_float(x.dtype(), "gather", [&]<class T>() {
    gather_kernel<<<blocks(y.numel(), kThreads), kThreads, 0, stream()>>>(x.data<T>(), Index(index), y.data<T>(),
                                                                          x.dim(1), y.dim(1), y.dim(2), y.numel());
  });
}

void scatter(const Tensor& x, const Tensor& index, const Tensor& y) {
  const int64_t columns = x.dim(0) * x.dim(2);
  dispatch_float(x.dtype(), "scatter", [&]<class T>() {
    scatter_kernel<<<blocks(columns, kThreads), kThreads, 0, stream()>>>(
        x.data<T>(), Index(index), y.data<Accumulator<T>>(), y.dim(1), x.dim(1), x.dim(2), columns);
  });
}

}  // namespace matmix::cuda
