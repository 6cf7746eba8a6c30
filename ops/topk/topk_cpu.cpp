#include <algorithm>

#include "ops/topk/topk_kernels.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

/// The k best so far stay sorted in `best`; an element enters from behind.
template <class T>
void topk_row(const T* x, int64_t n, int64_t* best, int64_t k) {
  using A = Accumulator<T>;
  const auto before = [x](int64_t i, int64_t j) {
    return ranks_before(static_cast<A>(x[i]), i, static_cast<A>(x[j]), j);
  };
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (count == k && !before(i, best[k - 1])) continue;
    int64_t place = count < k ? count++ : k - 1;
    for (; place > 0 && before(i, best[place - 1]); --place) best[place] = best[place - 1];
    best[place] = i;
  }
}

}  // namespace

void topk(const Tensor& x, const Tensor& indices) {
  const int64_t R = x.dim(0), n = x.dim(1), k = indices.dim(1);
  int64_t* best = indices.data<int64_t>();
  dispatch_float(x.dtype(), "topk", [&]<class T>() {
    const T* rows = x.data<T>();
    parallel_for(R, x.numel(), [=](int64_t r) { topk_row(rows + r * n, n, best + r * k, k); });
  });
}

}  // namespace matmix::cpu
