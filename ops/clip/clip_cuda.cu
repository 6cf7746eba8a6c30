#include "ops/clip/clip_kernels.h"
#include "tensor/create.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/reduce.cuh"
#include "tensor/cuda/vector.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 256, kNormThreads = 1024;
constexpr int64_t kPart = 65536;  // elements a block sums

// Sums of squares.                     parts[b] = sum of x_i^2 over elements [b kPart, (b + 1) kPart) of [0, n)
// Owns:    block = kPart elements; thread = every kThreads-th group of 16 bytes; after `vectors` groups, one element.
// Traffic: reads n elements: bound by memory.      Syncs: one block reduction.
// Numerics: F64; who sums what depends on n and x's alignment alone, so bitwise repeatable.
template <class T>
__global__ void __launch_bounds__(kThreads) parts_kernel(const T* x, int64_t n, int64_t vectors, double* parts) {
  constexpr int W = Vec<T>::kWidth;
  const int64_t begin = int64_t{blockIdx.x} * kPart, end = min(n, begin + kPart), split = min(end, vectors * W);
  double sum = 0;
#pragma unroll 4
  for (int64_t i = begin + threadIdx.x * W; i < split; i += kThreads * W) {
    const Vec<T> v = load16(x + i);
#pragma unroll
    for (int k = 0; k < W; ++k) sum += static_cast<double>(v[k]) * static_cast<double>(v[k]);
  }
  for (int64_t i = max(begin, split) + threadIdx.x; i < end; i += kThreads)
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// Norm and factor of the parts' sum.   norm = sqrt(sum parts), factor = clip_factor_of(norm, max_norm)
// Owns:    one block; thread = every 1024th part.      Traffic: reads the parts.
// Syncs:   one block reduction.        Numerics: F64, order fixed.
__global__ void __launch_bounds__(kNormThreads)
    norm_kernel(const double* parts, int64_t count, double max_norm, double* norm, double* factor) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kNormThreads) sum += parts[i];
  sum = block_sum<kNormThreads>(sum);
  if (threadIdx.x != 0) return;
  *norm = sqrt(sum);
  *factor = clip_factor_of(*norm, max_norm);
}

}  // namespace

void clip_factor(const Tensor& grad, double max_norm, const Tensor& norm, const Tensor& factor) {
  const int64_t n = grad.numel(), count = blocks(n, kPart);
  const Tensor parts = empty({count}, DType::F64, grad.device());
  const auto sum_parts = [&]<class T>(const T* x) {
    const int64_t vectors = reinterpret_cast<uintptr_t>(x) % sizeof(Vec<T>) == 0 ? n / Vec<T>::kWidth : 0;
    parts_kernel<<<blocks(n, kPart), kThreads, 0, stream()>>>(x, n, vectors, parts.data<double>());
  };
  grad.dtype() == DType::F64 ? sum_parts(grad.data<double>()) : sum_parts(grad.data<float>());
  norm_kernel<<<1, kNormThreads, 0, stream()>>>(parts.data<double>(), count, max_norm, norm.data<double>(),
                                                factor.data<double>());
}

}  // namespace matmix::cuda
