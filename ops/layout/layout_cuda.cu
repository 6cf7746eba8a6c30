#include "ops/layout/layout_kernels.h"
#include "tensor/cuda/launch.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 256;

// Reversal of an axis.                  y[a, i, b] = x[a, n - 1 - i, b],  x, y [A, n, B]
// Owns:    thread = one element of y.   Traffic: reads and writes A n B elements: bound by memory.   Syncs: none.
template <class T>
__global__ void flip_kernel(const T* __restrict__ x, T* __restrict__ y, int64_t count, int64_t n, int64_t B) {
  const int64_t at = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (at >= count) return;
  const int64_t row = at / B, i = row % n;
  y[at] = x[at + (n - 1 - 2 * i) * B];
}

}  // namespace

void flip(const Tensor& x, const Tensor& y) {
  dispatch_all(x.dtype(), "flip", [&]<class T>() {
    flip_kernel<<<blocks(x.numel(), kThreads), kThreads, 0, stream()>>>(x.data<T>(), y.data<T>(), x.numel(), x.dim(1),
                                                                        x.dim(2));
  });
}

}  // namespace matmix::cuda
