#include <algorithm>

#include "ops/layout/layout_kernels.h"
#include "tensor/parallel.h"

namespace matmix::cpu {

void flip(const Tensor& x, const Tensor& y) {
  const int64_t A = x.dim(0), n = x.dim(1), B = x.dim(2);
  dispatch_all(x.dtype(), "flip", [&]<class T>() {
    const T* in = x.data<T>();
    T* out = y.data<T>();
    parallel_for(A, x.numel(), [=](int64_t a) {
      for (int64_t i = 0; i < n; ++i) std::copy_n(in + (a * n + n - 1 - i) * B, B, out + (a * n + i) * B);
    });
  });
}

}  // namespace matmix::cpu
