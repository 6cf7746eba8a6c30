#include <cmath>

#include "tensor/create_kernels.h"
#include "tensor/cuda/launch.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 256;

// Constant.                            x[i] = value, x [n] contiguous
// Owns:    thread = 1 element.
// Traffic: writes n elements: bound by memory.     Syncs: none.
template <class T>
__global__ void fill_kernel(T* x, T value, int64_t n) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < n) x[i] = value;
}

// 0, 1, 2, ...                         x[i] = i, x [n] contiguous
// Owns:    thread = 1 element.
// Traffic: writes n elements: bound by memory.     Syncs: none.
template <class T>
__global__ void arange_kernel(T* x, int64_t n) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < n) x[i] = static_cast<T>(i);
}

}  // namespace

void fill(const Tensor& x, double value) {
  if (value == 0 && !std::signbit(value)) {
    cuda_check(cudaMemsetAsync(x.raw(), 0, x.bytes(), stream()), "fill");
    return;
  }
  dispatch_all(x.dtype(), "fill", [&]<class T>() {
    fill_kernel<<<blocks(x.numel(), kThreads), kThreads, 0, stream()>>>(x.data<T>(), static_cast<T>(value), x.numel());
  });
}

void arange(const Tensor& x) {
  dispatch_all(x.dtype(), "arange", [&]<class T>() {
    arange_kernel<<<blocks(x.numel(), kThreads), kThreads, 0, stream()>>>(x.data<T>(), x.numel());
  });
}

}  // namespace matmix::cuda
