#include <algorithm>

#include "tensor/create_kernels.h"
#include "tensor/parallel.h"

namespace matmix::cpu {

void fill(const Tensor& x, double value) {
  constexpr int64_t kTile = 16384;
  const int64_t n = x.numel();
  dispatch_all(x.dtype(), "fill", [&]<class T>() {
    T* data = x.data<T>();
    const T element = static_cast<T>(value);
    parallel_for((n + kTile - 1) / kTile, n, [=](int64_t tile) {
      std::fill(data + tile * kTile, data + std::min(n, (tile + 1) * kTile), element);
    });
  });
}

void arange(const Tensor& x) {
  dispatch_all(x.dtype(), "arange", [&]<class T>() {
    for (int64_t i = 0; i < x.numel(); ++i) x.data<T>()[i] = static_cast<T>(i);
  });
}

}  // namespace matmix::cpu
