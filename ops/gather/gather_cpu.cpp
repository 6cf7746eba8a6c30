#include <algorithm>

#include "ops/gather/gather_kernels.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

constexpr int64_t kUnit = 8192;  // elements that a thread takes at a time

/// Calls f(first, last) for pieces of [0, n), where each costs `cost`.
template <class F>
void for_pieces(int64_t n, int64_t cost, F&& f) {
  const int64_t piece = std::clamp<int64_t>(kUnit / std::max<int64_t>(cost, 1), 1, n);
  parallel_for((n + piece - 1) / piece, n * cost,
               [&](int64_t tile) { f(tile * piece, std::min(n, (tile + 1) * piece)); });
}

}  // namespace

void gather(const Tensor& x, const Tensor& index, const Tensor& y) {
  const int64_t n = x.dim(1), m = y.dim(1), W = y.dim(2);
  const int64_t by_a = index.stride(0), by_i = index.stride(1), by_w = index.stride(2);
  const int64_t* indices = index.data<int64_t>();
  dispatch_float(x.dtype(), "gather", [&]<class T>() {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for_pieces(y.dim(0) * m, W, [=](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; ++row) {
        const T* source = from + row / m * n * W;
        const int64_t* at = indices + row / m * by_a + row % m * by_i;
        if (by_w == 0)
          std::copy_n(source + *at * W, W, to + row * W);
        else
          for (int64_t w = 0; w < W; ++w) to[row * W + w] = source[at[w * by_w] * W + w];
      }
    });
  });
}

/// A thread owns whole columns (a, w), so that no two write the same sum.
void scatter(const Tensor& x, const Tensor& index, const Tensor& y) {
  constexpr int64_t kColumns = 128;
  const int64_t A = x.dim(0), m = x.dim(1), n = y.dim(1), W = x.dim(2), across = (W + kColumns - 1) / kColumns;
  const int64_t by_a = index.stride(0), by_i = index.stride(1), by_w = index.stride(2);
  const int64_t* indices = index.data<int64_t>();
  dispatch_float(x.dtype(), "scatter", [&]<class T>() {
    using Sum = Accumulator<T>;
    const T* from = x.data<T>();
    Sum* to = y.data<Sum>();
    for_pieces(A * across, m * std::min(W, kColumns), [=](int64_t first, int64_t last) {
      for (int64_t strip = first; strip < last; ++strip) {
        const int64_t a = strip / across, start = strip % across * kColumns, end = std::min(W, start + kColumns);
        for (int64_t i = 0; i < m; ++i) {
          const T* source = from + (a * m + i) * W;
          const int64_t* at = indices + a * by_a + i * by_i;
          Sum* sums = to + a * n * W;
          if (by_w == 0)
            for (int64_t w = start; w < end; ++w) sums[*at * W + w] += static_cast<Sum>(source[w]);
          else
            for (int64_t w = start; w < end; ++w) sums[at[w * by_w] * W + w] += static_cast<Sum>(source[w]);
        }
      }
    });
  });
}

}  // namespace matmix::cpu
