#include "ops/scan/scan_kernels.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/reduce.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 128;

// Running sums of columns.              y[a, i, b] = sum_{k <= i} x[a, k, b],  x, y [A, n, B]; k < i if exclusive
// Owns:    thread = one column (a, b): neighbours read neighbours where B > 1.
// Traffic: reads and writes A n B elements, n dependent additions a thread: bound by latency where A B is small.
// Syncs:   none.                        Numerics: sums in double, in order.
template <class T, class Y>
__global__ void cumsum_kernel(const T* __restrict__ x, Y* __restrict__ y, int64_t columns, int64_t n, int64_t B,
                              bool reverse, bool exclusive) {
  const int64_t column = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (column >= columns) return;
  const int64_t a = column / B, start = a * n * B + column - a * B;
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = start + (reverse ? n - 1 - i : i) * B;
    const double before = sum;
    sum += static_cast<double>(x[at]);
    y[at] = static_cast<Y>(exclusive ? before : sum);
  }
}

// Running sums of rows.                 y[r, i] = sum_{k <= i} x[r, k],  x, y [R, n]; k < i if exclusive
// Owns:    warp = one row, 32 elements at a time: a scan by shuffles, then the carry.
// Traffic: reads and writes R n elements.          Syncs: none beyond the warp's.
// Numerics: sums in double, in a fixed tree.       Source: Hillis & Steele 1986.
template <class T, class Y>
__global__ void cumsum_rows_kernel(const T* __restrict__ x, Y* __restrict__ y, int64_t R, int64_t n, bool reverse,
                                   bool exclusive) {
  constexpr unsigned kAll = 0xffffffffu;
  const int lane = threadIdx.x % kWarp;
  const int64_t r = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kWarp;
  if (r >= R) return;
  double carry = 0;
  for (int64_t start = 0; start < n; start += kWarp) {
    const int64_t i = start + lane, at = r * n + (reverse ? n - 1 - i : i);
    double sum = i < n ? static_cast<double>(x[at]) : 0;
#pragma unroll
    for (int distance = 1; distance < kWarp; distance *= 2) {
      const double before = __shfl_up_sync(kAll, sum, distance);
      if (lane >= distance) sum += before;
    }
    const double before = __shfl_up_sync(kAll, sum, 1);
    if (i < n) y[at] = static_cast<Y>(carry + (exclusive ? (lane > 0 ? before : 0) : sum));
    carry += __shfl_sync(kAll, sum, kWarp - 1);
  }
}

// Logarithms of decays.                 y[r, i, j] = sum_{k = j+1..i} x[r, k] for i >= j, -infinity above
// Owns:    thread = one column (r, j), which its sum walks down from the diagonal; the mirror image if kStep is -1.
// Traffic: writes R L^2 elements, neighbours next to each other: bound by memory where R L fills the GPU.
// Syncs:   none.                        Numerics: every sum restarts at its own diagonal, in double.
// Source:  Dao & Gu 2024 (arXiv 2405.21060), listing 1.
template <int kStep, class T>
__global__ void segsum_kernel(const T* __restrict__ x, T* __restrict__ y, int64_t columns, int64_t L) {
  const int64_t column = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (column >= columns) return;
  const int64_t r = column / L, j = column - r * L;
  const T* in = x + r * L + (kStep < 0 ? L - 1 : 0);
  T* out = y + r * L * L + (kStep < 0 ? L * L - 1 : 0);
  for (int64_t i = 0; i < j; ++i) out[kStep * (i * L + j)] = static_cast<T>(-INFINITY);
  double sum = 0;
  out[kStep * (j * L + j)] = static_cast<T>(0.0f);
  for (int64_t i = j + 1; i < L; ++i) {
    sum += static_cast<double>(in[kStep * i]);
    out[kStep * (i * L + j)] = static_cast<T>(sum);
  }
}

// Column sums of a triangle.            y[r, k] = sum_{i >= k} x[r, i, k],  x [R, L, L], y [R, L]
// Owns:    thread = one column (r, k); the mirror image if kStep is -1.
// Traffic: reads half of R L^2 elements, neighbours next to each other.   Syncs: none.   Numerics: in double, in order.
template <int kStep, class T>
__global__ void triangle_sum_kernel(const double* __restrict__ x, T* __restrict__ y, int64_t columns, int64_t L) {
  const int64_t column = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (column >= columns) return;
  const int64_t r = column / L, k = column - r * L;
  const double* in = x + r * L * L + (kStep < 0 ? L * L - 1 : 0);
  double sum = 0;
  for (int64_t i = k; i < L; ++i) sum += in[kStep * (i * L + k)];
  y[r * L + (kStep < 0 ? L - 1 - k : k)] = static_cast<T>(sum);
}

}  // namespace

void cumsum(const Tensor& x, const Tensor& y, bool reverse, bool exclusive) {
  const int64_t A = x.dim(0), n = x.dim(1), B = x.dim(2);
  const auto run = [&]<class T, class Y>() {
    if (B == 1)
      cumsum_rows_kernel<<<blocks(A * kWarp, kThreads), kThreads, 0, stream()>>>(x.data<T>(), y.data<Y>(), A, n,
                                                                                 reverse, exclusive);
    else
      cumsum_kernel<<<blocks(A * B, kThreads), kThreads, 0, stream()>>>(x.data<T>(), y.data<Y>(), A * B, n, B, reverse,
                                                                        exclusive);
  };
  dispatch_float(x.dtype(), "cumsum", [&]<class T>() {
    y.dtype() == x.dtype() ? run.template operator()<T, T>() : run.template operator()<T, double>();
  });
}

void segsum(const Tensor& x, const Tensor& y, bool reverse) {
  const int64_t L = x.dim(1), columns = x.numel();
  dispatch_float(x.dtype(), "segsum", [&]<class T>() {
    const auto kernel = reverse ? segsum_kernel<-1, T> : segsum_kernel<1, T>;
    kernel<<<blocks(columns, kThreads), kThreads, 0, stream()>>>(x.data<T>(), y.data<T>(), columns, L);
  });
}

void triangle_sum(const Tensor& x, const Tensor& y, bool reverse) {
  const int64_t L = x.dim(1), columns = y.numel();
  dispatch_float(y.dtype(), "segsum", [&]<class T>() {
    const auto kernel = reverse ? triangle_sum_kernel<-1, T> : triangle_sum_kernel<1, T>;
    kernel<<<blocks(columns, kThreads), kThreads, 0, stream()>>>(x.data<double>(), y.data<T>(), columns, L);
  });
}

}  // namespace matmix::cuda
