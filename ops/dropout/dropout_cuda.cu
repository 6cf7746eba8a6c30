#include "ops/dropout/dropout_kernels.h"
#include "tensor/cuda/launch.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 256;

// Dropout.                              y_i = uniform_i >= p ? scale x_i : 0,  x, y [n] contiguous
// Owns:    thread = the 4 elements of one Philox block.
// Traffic: reads and writes n elements; about 25 integer operations an element.          Syncs: none.
// Numerics: the mask of the CPU, bit for bit.   Source: Srivastava et al. 2014 (inverted form).
template <class T>
__global__ void dropout_kernel(const T* __restrict__ x, double p, Accumulator<T> scale, RandomKey key,
                               const int64_t* __restrict__ step, T* __restrict__ y, int64_t n) {
  const int64_t block = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  key.step = static_cast<uint64_t>(*step);
  const auto words = philox(key, block);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int64_t i = block * 4 + j;
    if (i < n) y[i] = static_cast<T>(to_uniform(words[j]) >= p ? scale * static_cast<Accumulator<T>>(x[i]) : 0);
  }
}

}  // namespace

void dropout(const Tensor& x, double p, const RandomKey& key, const Tensor& step, const Tensor& y) {
  dispatch_float(x.dtype(), "dropout", [&]<class T>() {
    const int64_t n = x.numel();
    dropout_kernel<<<blocks(n, 4 * kThreads), kThreads, 0, stream()>>>(
        x.data<T>(), p, static_cast<Accumulator<T>>(1 / (1 - p)), key, step.data<int64_t>(), y.data<T>(), n);
  });
}

}  // namespace matmix::cuda
