#include <algorithm>

#include "ops/adamw/adamw_kernels.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/vector.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 256;
constexpr unsigned kMaxBlocks = 2112;  // 16 a multiprocessor of an H100; more work is looped over

/// What changes from step to step, read when the kernel runs.
struct StepPointers {
  const int64_t* step;
  const double *lr, *clip;
};

template <class T>
struct AdamWArrays {
  T* weight;
  const T* grad;
  T *m, *v;
  bfloat16* shadow;  // or null
};

template <int W>
struct alignas(sizeof(bfloat16) * W) ShadowVec {
  bfloat16 at[W];
};

// AdamW.                               the formula of adamw.h for elements [0, n); shadow = round(weight), if given
// Owns:    thread = 16 bytes of each array, then strides by the grid: `vectors` groups in all; what follows, singly.
// Traffic: reads weight, grad, m, v and writes weight, m, v (28 n bytes in F32) and the shadow (2 n): bound by memory.
// Syncs:   one, after the block's first thread has worked the step's constants out.
// Numerics: T, constants in double first; elements do not see each other, so the grid does not matter.
template <class T>
__global__ void __launch_bounds__(kThreads)
    adamw_kernel(AdamWArrays<T> a, int64_t n, int64_t vectors, StepPointers at, AdamWOptions options) {
  constexpr int W = Vec<T>::kWidth;
  __shared__ AdamWStep<T> step;
  if (threadIdx.x == 0) step = adamw_step<T>(*at.step, *at.lr, *at.clip, options);
  __syncthreads();
  const int64_t first = int64_t{blockIdx.x} * kThreads + threadIdx.x, stride = int64_t{gridDim.x} * kThreads;
  for (int64_t i = first * W; i < vectors * W; i += stride * W) {
    const Vec<T> g = load16(a.grad + i);
    Vec<T> w = load16(a.weight + i), m = load16(a.m + i), v = load16(a.v + i);
    ShadowVec<W> shadow;
#pragma unroll
    for (int k = 0; k < W; ++k) {
      step(w[k], g[k], m[k], v[k]);
      shadow.at[k] = bfloat16(w[k]);
    }
    store16(a.weight + i, w);
    store16(a.m + i, m);
    store16(a.v + i, v);
    if (a.shadow != nullptr) *reinterpret_cast<ShadowVec<W>*>(a.shadow + i) = shadow;
  }
  for (int64_t i = vectors * W + first; i < n; i += stride) {
    step(a.weight[i], a.grad[i], a.m[i], a.v[i]);
    if (a.shadow != nullptr) a.shadow[i] = bfloat16(a.weight[i]);
  }
}

template <class T>
bool aligned(const AdamWArrays<T>& a) {
  const auto of = [](const void* p) { return reinterpret_cast<uintptr_t>(p); };
  return (of(a.weight) | of(a.grad) | of(a.m) | of(a.v)) % 16 == 0 &&
         of(a.shadow) % sizeof(ShadowVec<Vec<T>::kWidth>) == 0;
}

}  // namespace

void adamw(const Tensor& weight, const Tensor& grad, const Tensor& m, const Tensor& v, const Tensor& shadow,
           const Tensor& step, const Tensor& lr, const Tensor& clip, const AdamWOptions& options) {
  const auto run = [&]<class T>(T) {
    const AdamWArrays<T> a{weight.data<T>(), grad.data<T>(), m.data<T>(), v.data<T>(),
                           shadow.defined() ? shadow.data<bfloat16>() : nullptr};
    const int64_t n = weight.numel(), vectors = aligned(a) ? n / Vec<T>::kWidth : 0;
    const unsigned grid = std::min(kMaxBlocks, blocks(std::max(vectors, n - vectors * Vec<T>::kWidth), kThreads));
    adamw_kernel<<<grid, kThreads, 0, stream()>>>(
        a, n, vectors, {step.data<int64_t>(), lr.data<double>(), clip.data<double>()}, options);
  };
  weight.dtype() == DType::F64 ? run(double{}) : run(float{});
}

}  // namespace matmix::cuda
