#include "ops/elementwise/functors.h"
#include "ops/linear/linear_kernels.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/rows.cuh"

namespace matmix::cuda {
namespace {

constexpr int kRows = 4, kLanes = 64;

/// Calls f(row, column) for every fourth column of the row that this thread's lane belongs to.
template <class F>
__device__ void for_each_four(int64_t rows, int64_t N, F&& f) {
  const int64_t row = int64_t{blockIdx.x} * kRows + threadIdx.y;
  if (row >= rows) return;
  for (int64_t j = 4 * threadIdx.x; j < N; j += 4 * kLanes) f(row, j);
}

// Bias and activation.                 y[r, j] = F(u[r, j] + bias[j]),  rows x N; y may be u
// Owns:    block = 4 rows, 64 lanes each; a lane owns four neighbours of every 256 columns.
// Traffic: reads u, writes y, bias from cache: bound by memory but for gelu.
// Numerics: computed in float for BF16. No sums.
template <class F, class T>
__global__ void forward_kernel(Rows<const T> u, Rows<const Accumulator<T>> bias, Rows<T> y, int64_t rows) {
  for_each_four(rows, y.columns, [&](int64_t row, int64_t j) {
    auto x = u.load(row, j);
    const auto b = bias.load(0, j);
#pragma unroll
    for (int i = 0; i < 4; ++i) x[i] = F::value(x[i] + b[i]);
    y.store(row, j, x);
  });
}

// Its gradient.                        du[r, j] = dy[r, j] F'(u[r, j] + bias[j]), or F' from kept = y
// Owns, traffic: as above, one more read.
template <class F, class T>
__global__ void backward_kernel(Rows<const T> dy, Rows<const T> kept, Rows<const Accumulator<T>> bias, Rows<T> du,
                                int64_t rows) {
  for_each_four(rows, du.columns, [&](int64_t row, int64_t j) {
    auto d = dy.load(row, j);
    auto at = kept.load(row, j);
    if constexpr (F::kKeeps == Keeps::kInput) {
      const auto b = bias.load(0, j);
#pragma unroll
      for (int i = 0; i < 4; ++i) at[i] += b[i];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) d[i] *= F::slope(at[i]);
    du.store(row, j, d);
  });
}

}  // namespace

void bias_act_forward(const Tensor& u, const Tensor& bias, Activation act, const Tensor& y) {
  const int64_t rows = u.dim(0);
  dispatch_float(u.dtype(), "linear", [&]<class T>() {
    dispatch_activation(act, [&]<class F>() {
      forward_kernel<F, T><<<blocks(rows, kRows), dim3(kLanes, kRows), 0, stream()>>>(
          Rows<const T>(u), Rows<const Accumulator<T>>(bias), Rows<T>(y), rows);
    });
  });
}

void bias_act_backward(const Tensor& dy, const Tensor& kept, const Tensor& bias, Activation act, const Tensor& du) {
  const int64_t rows = dy.dim(0);
  dispatch_float(dy.dtype(), "linear", [&]<class T>() {
    dispatch_activation(act, [&]<class F>() {
      backward_kernel<F, T><<<blocks(rows, kRows), dim3(kLanes, kRows), 0, stream()>>>(
          Rows<const T>(dy), Rows<const T>(kept), Rows<const Accumulator<T>>(bias), Rows<T>(du), rows);
    });
  });
}

}  // namespace matmix::cuda
