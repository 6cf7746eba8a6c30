#include <algorithm>

#include "ops/adamw/adamw_kernels.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

constexpr int64_t kTile = 8192;

template <class T>
void update(int64_t n, const AdamWStep<T>& step, T* __restrict weight, const T* __restrict grad, T* __restrict m,
            T* __restrict v) {
  for (int64_t i = 0; i < n; ++i) step(weight[i], grad[i], m[i], v[i]);
}

template <class T>
void update_all(const Tensor& weight, const Tensor& grad, const Tensor& m, const Tensor& v, const Tensor& shadow,
                const AdamWStep<T>& step) {
  constexpr int64_t kOperations = 16;  // an element, roughly
  const int64_t n = weight.numel();
  parallel_for((n + kTile - 1) / kTile, n * kOperations, [&](int64_t tile) {
    const int64_t start = tile * kTile, count = std::min(kTile, n - start);
    T* w = weight.data<T>() + start;
    update(count, step, w, grad.data<T>() + start, m.data<T>() + start, v.data<T>() + start);
    if (shadow.defined())
      std::transform(w, w + count, shadow.data<bfloat16>() + start, [](T x) { return bfloat16(x); });
  });
}

}  // namespace

void adamw(const Tensor& weight, const Tensor& grad, const Tensor& m, const Tensor& v, const Tensor& shadow,
           const Tensor& step, const Tensor& lr, const Tensor& clip, const AdamWOptions& options) {
  const auto run = [&]<class T>(T) {
    update_all(weight, grad, m, v, shadow,
               adamw_step<T>(*step.data<int64_t>(), *lr.data<double>(), *clip.data<double>(), options));
  };
  weight.dtype() == DType::F64 ? run(double{}) : run(float{});
}

}  // namespace matmix::cpu
