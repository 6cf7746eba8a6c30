#include "ops/reduce/reduce_kernels.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/reduce.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 128;

struct Min {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a < b ? a : b;
  }
};

template <class A, class T>
__device__ A row_max(const T* x, int64_t n) {
  A m = x[0];
  for (int64_t i = threadIdx.x; i < n; i += kThreads) m = Max{}(static_cast<A>(x[i]), m);
  return block_max<kThreads>(m);
}

// Row maximum and where it is first.    y_r = max_i x_ri,  x [R, n], y, index [R], n > 0
// Owns:    block = 1 row; thread = every 128th column.
// Traffic: reads 2 R n elements, the second time from the cache where rows fit: bound by memory.
// Syncs:   those of two block reductions. Numerics: exact; NaN wins.
template <class T>
__global__ void max_kernel(const T* __restrict__ x, T* __restrict__ y, int64_t* __restrict__ index, int64_t n) {
  using A = Accumulator<T>;
  const int64_t r = blockIdx.x;
  const T* row = x + r * n;
  const A m = row_max<A>(row, n);
  int64_t first = n;
  for (int64_t i = threadIdx.x; i < n && first == n; i += kThreads) {
    const A v = row[i];
    if (v == m || v != v) first = i;
  }
  first = block_reduce<kThreads>(first, Min{});
  if (threadIdx.x == 0) {
    y[r] = static_cast<T>(m);
    index[r] = first;
  }
}

// Its gradient.                         dx_ri = dy_r if i = index_r, else 0
// Owns:    block = 1 row; thread = every 128th column.     Traffic: writes R n elements: bound by memory.   Syncs:
// none.
template <class T>
__global__ void max_backward_kernel(const int64_t* __restrict__ index, const T* __restrict__ dy, T* __restrict__ dx,
                                    int64_t n) {
  const int64_t r = blockIdx.x;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) dx[r * n + i] = i == index[r] ? dy[r] : static_cast<T>(0.0f);
}

// Row log-sum-exp.                      y_r = m + log sum_i exp(x_ri - m), m = max_i x_ri;  x [R, n], y [R], n > 0
// Owns:    block = 1 row; thread = every 128th column.
// Traffic: reads 2 R n elements, the second time from the cache where rows fit: bound by memory.
// Syncs:   those of two block reductions. Numerics: in float for BF16; fixed order.
template <class T>
__global__ void logsumexp_kernel(const T* __restrict__ x, Accumulator<T>* __restrict__ y, int64_t n) {
  using A = Accumulator<T>;
  const int64_t r = blockIdx.x;
  const T* row = x + r * n;
  const A m = row_max<A>(row, n);
  const bool finite = isfinite(m);
  A sum = 0;
  if (finite)
    for (int64_t i = threadIdx.x; i < n; i += kThreads) sum += exp(static_cast<A>(row[i]) - m);
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x == 0) y[r] = finite ? m + log(sum) : m;
}

// Its gradient.                         dx_ri = dy_r exp(x_ri - y_r), 0 where y_r is -infinity
// Owns:    block = 1 row; thread = every 128th column.     Traffic: reads and writes R n: bound by memory.   Syncs:
// none.
template <class T>
__global__ void logsumexp_backward_kernel(const T* __restrict__ x, const Accumulator<T>* __restrict__ y,
                                          const T* __restrict__ dy, T* __restrict__ dx, int64_t n) {
  using A = Accumulator<T>;
  const int64_t r = blockIdx.x;
  const A top = y[r], scale = dy[r];
  const bool nothing = isinf(top) && top < 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads)
    dx[r * n + i] = static_cast<T>(nothing ? A(0) : scale * exp(static_cast<A>(x[r * n + i]) - top));
}

}  // namespace

void max_forward(const Tensor& x, const Tensor& y, const Tensor& index) {
  dispatch_float(x.dtype(), "max", [&]<class T>() {
    max_kernel<<<blocks(x.dim(0), 1), kThreads, 0, stream()>>>(x.data<T>(), y.data<T>(), index.data<int64_t>(),
                                                               x.dim(1));
  });
}

void max_backward(const Tensor& index, const Tensor& dy, const Tensor& dx) {
  dispatch_float(dx.dtype(), "max", [&]<class T>() {
    max_backward_kernel<<<blocks(dx.dim(0), 1), kThreads, 0, stream()>>>(index.data<int64_t>(), dy.data<T>(),
                                                                         dx.data<T>(), dx.dim(1));
  });
}

void logsumexp_forward(const Tensor& x, const Tensor& y) {
  dispatch_float(x.dtype(), "logsumexp", [&]<class T>() {
    logsumexp_kernel<<<blocks(x.dim(0), 1), kThreads, 0, stream()>>>(x.data<T>(), y.data<Accumulator<T>>(), x.dim(1));
  });
}

void logsumexp_backward(const Tensor& x, const Tensor& y, const Tensor& dy, const Tensor& dx) {
  dispatch_float(x.dtype(), "logsumexp", [&]<class T>() {
    logsumexp_backward_kernel<<<blocks(x.dim(0), 1), kThreads, 0, stream()>>>(x.data<T>(), y.data<Accumulator<T>>(),
                                                                              dy.data<T>(), dx.data<T>(), x.dim(1));
  });
}

}  // namespace matmix::cuda
