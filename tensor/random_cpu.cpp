#include <algorithm>

#include "tensor/parallel.h"
#include "tensor/random_kernels.h"

namespace matmix::cpu {

void random_uniform(const Tensor& x, double low, double high, const RandomKey& key) {
  constexpr int64_t kTile = 1024, kFlopsEach = 16;
  const int64_t n = x.numel();
  dispatch_float(x.dtype(), "random_uniform", [&]<class T>() {
    T* out = x.data<T>();
    parallel_for((n + kTile - 1) / kTile, n * kFlopsEach, [&](int64_t tile) {
      for (int64_t i = tile * kTile; i < std::min(n, (tile + 1) * kTile); i += 4) {
        const auto words = philox(key, static_cast<uint64_t>(i / 4));
        for (int64_t j = i; j < std::min(n, i + 4); ++j)
          out[j] = static_cast<T>(uniform_between(low, high, words[static_cast<size_t>(j - i)]));
      }
    });
  });
}

}  // namespace matmix::cpu
