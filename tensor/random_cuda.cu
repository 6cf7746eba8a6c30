#include "tensor/cuda/launch.cuh"
#include "tensor/random_kernels.h"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 256;

// Uniform numbers.                      x[i] = uniform_between(low, high, random_bits(key, i)), x [n] contiguous
// Owns:    thread = the 4 elements of one Philox block.
// Traffic: writes n elements; about 25 integer operations an element.          Syncs: none.
// Numerics: in double, one rounding, then to T: the same bits as on the CPU.
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
template <class T>
__global__ void uniform_kernel(T* x, int64_t n, double low, double high, const RandomKey key) {
  const int64_t block = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const auto words = philox(key, block);
#pragma unroll
  for (int j = 0; j < 4; ++j)
    if (block * 4 + j < n) x[block * 4 + j] = static_cast<T>(uniform_between(low, high, words[j]));
}

}  // namespace

void random_uniform(const Tensor& x, double low, double high, const RandomKey& key) {
  dispatch_float(x.dtype(), "random_uniform", [&]<class T>() {
    const int64_t n = x.numel();
    uniform_kernel<<<blocks(n, 4 * kThreads), kThreads, 0, stream()>>>(x.data<T>(), n, low, high, key);
  });
}

}  // namespace matmix::cuda
