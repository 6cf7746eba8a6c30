#include <limits>

#include "ops/softmax/softmax_kernels.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/reduce.cuh"

namespace matmix::cuda {
namespace {

/// Calls f<threads of a block>(): a block takes one row, and is one warp where rows are short.
template <class F>
void with_threads(int64_t n, F f) {
  if (n > 512)
    f.template operator()<256>();
  else
    f.template operator()<kWarp>();
}

/// A matrix with dense rows.
template <class T>
struct Matrix {
  T* data;
  int64_t stride;

  explicit Matrix(const Tensor& x) : data(x.data<std::remove_const_t<T>>()), stride(x.stride(0)) {}
  __device__ T* row(int64_t r) const { return data + r * stride; }
};

/// f(i) for the columns of this thread.
template <int kThreads, class F>
__device__ void for_columns(int64_t n, F f) {
  for (int64_t i = threadIdx.x; i < n; i += kThreads) f(i);
}

/// Of a row: m, not below the lowest finite number, and sum exp(x - m).
template <class A>
struct Row {
  A m, sum;
};
template <int kThreads, class T, class A = Accumulator<T>>
__device__ Row<A> statistics(const T* x, int64_t n) {
  Row<A> own{std::numeric_limits<A>::lowest(), 0};
  for_columns<kThreads>(n, [&](int64_t i) { own.m = Max{}(static_cast<A>(x[i]), own.m); });
  own.m = block_max<kThreads>(own.m);
  for_columns<kThreads>(n, [&](int64_t i) { own.sum += exp(static_cast<A>(x[i]) - own.m); });
  own.sum = block_sum<kThreads>(own.sum);
  return own;
}

// Softmax of rows.                      y_ri = exp(x_ri - m) / sum_j exp(x_rj - m),  x, y [R, n], n > 0
// Owns:    block = 1 row; thread = every kThreads-th column.
// Traffic: reads 3 R n, the second and third time from the cache where rows fit, writes R n: bound by memory.
// Syncs:   those of two block reductions. Numerics: Accumulator<T>, fixed order; 0 where the sum is 0.
template <int kThreads, class T>
__global__ void softmax_kernel(Matrix<const T> x, Matrix<T> y, int64_t n) {
  using A = Accumulator<T>;
  const T* const from = x.row(blockIdx.x);
  T* const to = y.row(blockIdx.x);
  const auto [m, sum] = statistics<kThreads>(from, n);
  const A shift = m, scale = sum == 0 ? A(0) : 1 / sum;
  for_columns<kThreads>(n, [=](int64_t i) { to[i] = static_cast<T>(scale * exp(static_cast<A>(from[i]) - shift)); });
}

// Its gradient.                         dx_ri = y_ri (dy_ri - sum_j y_rj dy_rj)
// Owns:    block = 1 row; thread = every kThreads-th column.
// Traffic: reads 4 R n, half of them from the cache where rows fit, writes R n: bound by memory.
// Syncs:   those of a block reduction. Numerics: Accumulator<T>, fixed order.
template <int kThreads, class T>
__global__ void softmax_backward_kernel(Matrix<const T> y, Matrix<const T> dy, Matrix<T> dx, int64_t n) {
  using A = Accumulator<T>;
  const T *const p = y.row(blockIdx.x), *const upstream = dy.row(blockIdx.x);
  T* const to = dx.row(blockIdx.x);
  A own = 0;
  for_columns<kThreads>(n, [&](int64_t i) { own += static_cast<A>(p[i]) * static_cast<A>(upstream[i]); });
  const A sum = block_sum<kThreads>(own);
  for_columns<kThreads>(
      n, [=](int64_t i) { to[i] = static_cast<T>(static_cast<A>(p[i]) * (static_cast<A>(upstream[i]) - sum)); });
}

// Log-softmax of rows.                  y_ri = x_ri - m - log sum_j exp(x_rj - m),  x, y [R, n], n > 0; m and log sum
// Owns:    block = 1 row; thread = every kThreads-th column.
// Traffic: reads 3 R n, the second and third time from the cache where rows fit, writes R n: bound by memory.
// Syncs:   those of two block reductions. Numerics: Accumulator<T>, fixed order; log sum is 0 where the sum is.
template <int kThreads, class T>
__global__ void log_softmax_kernel(Matrix<const T> x, Matrix<T> y, int64_t n, Accumulator<T>* maxima,
                                   Accumulator<T>* log_sums) {
  using A = Accumulator<T>;
  const T* const from = x.row(blockIdx.x);
  T* const to = y.row(blockIdx.x);
  const auto [m, sum] = statistics<kThreads>(from, n);
  const A shift = m, log_sum = sum == 0 ? A(0) : log(sum);
  for_columns<kThreads>(n, [=](int64_t i) { to[i] = static_cast<T>(static_cast<A>(from[i]) - shift - log_sum); });
  if (threadIdx.x != 0) return;
  maxima[blockIdx.x] = shift;
  log_sums[blockIdx.x] = log_sum;
}

// Its gradient.                         dx_ri = dy_ri - exp(x_ri - m - log sum) sum_j dy_rj
// Owns:    block = 1 row; thread = every kThreads-th column.
// Traffic: reads 3 R n, dy the second time from the cache where rows fit, writes R n: bound by memory.
// Syncs:   those of a block reduction. Numerics: Accumulator<T>, fixed order.
template <int kThreads, class T>
__global__ void log_softmax_backward_kernel(Matrix<const T> x, const Accumulator<T>* maxima,
                                            const Accumulator<T>* log_sums, Matrix<const T> dy, Matrix<T> dx,
                                            int64_t n) {
  using A = Accumulator<T>;
  const T *const from = x.row(blockIdx.x), *const upstream = dy.row(blockIdx.x);
  T* const to = dx.row(blockIdx.x);
  A own = 0;
  for_columns<kThreads>(n, [&](int64_t i) { own += static_cast<A>(upstream[i]); });
  const A sum = block_sum<kThreads>(own), m = maxima[blockIdx.x], log_sum = log_sums[blockIdx.x];
  for_columns<kThreads>(n, [=](int64_t i) {
    to[i] = static_cast<T>(static_cast<A>(upstream[i]) - sum * exp(static_cast<A>(from[i]) - m - log_sum));
  });
}

}  // namespace

void softmax_forward(const Tensor& x, const Tensor& y) {
  dispatch_float(x.dtype(), "softmax", [&]<class T>() {
    with_threads(x.dim(1), [&]<int kThreads>() {
      softmax_kernel<kThreads, T>
          <<<blocks(x.dim(0), 1), kThreads, 0, stream()>>>(Matrix<const T>(x), Matrix<T>(y), x.dim(1));
    });
  });
}

void softmax_backward(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  dispatch_float(y.dtype(), "softmax", [&]<class T>() {
    with_threads(y.dim(1), [&]<int kThreads>() {
      softmax_backward_kernel<kThreads, T><<<blocks(y.dim(0), 1), kThreads, 0, stream()>>>(
          Matrix<const T>(y), Matrix<const T>(dy), Matrix<T>(dx), y.dim(1));
    });
  });
}

void log_softmax_forward(const Tensor& x, const Tensor& y, const Tensor& stats) {
  dispatch_float(x.dtype(), "log_softmax", [&]<class T>() {
    with_threads(x.dim(1), [&]<int kThreads>() {
      auto* maxima = stats.data<Accumulator<T>>();
      log_softmax_kernel<kThreads, T><<<blocks(x.dim(0), 1), kThreads, 0, stream()>>>(
          Matrix<const T>(x), Matrix<T>(y), x.dim(1), maxima, maxima + x.dim(0));
    });
  });
}

void log_softmax_backward(const Tensor& x, const Tensor& stats, const Tensor& dy, const Tensor& dx) {
  dispatch_float(x.dtype(), "log_softmax", [&]<class T>() {
    with_threads(x.dim(1), [&]<int kThreads>() {
      const auto* maxima = stats.data<Accumulator<T>>();
      log_softmax_backward_kernel<kThreads, T><<<blocks(x.dim(0), 1), kThreads, 0, stream()>>>(
          Matrix<const T>(x), maxima, maxima + x.dim(0), Matrix<const T>(dy), Matrix<T>(dx), x.dim(1));
    });
  });
}

}  // namespace matmix::cuda
