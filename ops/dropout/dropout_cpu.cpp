#include <algorithm>

#include "ops/dropout/dropout_kernels.h"
#include "tensor/parallel.h"

namespace matmix::cpu {

void dropout(const Tensor& x, double p, const RandomKey& base, const Tensor& step, const Tensor& y) {
  constexpr int64_t kTile = 4096, kFlopsEach = 16;
  const RandomKey key{base.seed, base.stream, static_cast<uint64_t>(*step.data<int64_t>())};
  const int64_t n = x.numel();
  dispatch_float(x.dtype(), "dropout", [&]<class T>() {
    using A = Accumulator<T>;
    const A scale = static_cast<A>(1 / (1 - p));
    const T* in = x.data<T>();
    T* out = y.data<T>();
    parallel_for((n + kTile - 1) / kTile, n * kFlopsEach, [=](int64_t tile) {
      for (int64_t i = tile * kTile; i < std::min(n, (tile + 1) * kTile); i += 4) {
        const auto words = philox(key, static_cast<uint64_t>(i / 4));
        for (int64_t j = i; j < std::min(n, i + 4); ++j)
          out[j] =
              static_cast<T>(to_uniform(words[static_cast<size_t>(j - i)]) >= p ? scale * static_cast<A>(in[j]) : 0);
      }
    });
  });
}

}  // namespace matmix::cpu
