#include <limits>

#include "ops/cross_entropy/cross_entropy_kernels.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/reduce.cuh"
#include "tensor/cuda/vector.cuh"

namespace matmix::cuda {
namespace {

constexpr int kTotalThreads = 1024;

/// Calls f<threads of a block>(): a block takes one row, and is one warp where rows are short.
template <class F>
void with_threads(int64_t V, F f) {
  if (V > 1024)
    f.template operator()<256>();
  else
    f.template operator()<kWarp>();
}

/// One element or 16 bytes of them.
template <class T>
struct One {
  T at[1];
};
template <int N, class T>
__device__ auto load(const T* from) {
  if constexpr (N == 1)
    return One<T>{*from};
  else
    return load16(from);
}
template <class T>
__device__ void store(T* to, const One<T>& x) {
  *to = x.at[0];
}
template <class T>
__device__ void store(T* to, const Vec<T>& x) {
  store16(to, x);
}

/// Elements before the first 16-byte boundary of a row; all V if its partner `other` lies differently to it.
template <class T>
__device__ int64_t head_of(const T* row, const T* other, int64_t V) {
  const auto at = reinterpret_cast<uintptr_t>(row), also = reinterpret_cast<uintptr_t>(other);
  if ((at ^ also) % 16 != 0) return V;
  return min(V, static_cast<int64_t>((16 - at % 16) % 16 / sizeof(T)));
}

/// f<1>(j) for the first `head` elements of a row of V, f<W>(j) for groups of W after them, f<1>(j) for the rest,
/// shared out over the block; j ascends in every thread. (V = 30,522 in BF16: no two rows are aligned alike.)
template <int kThreads, int W, class F>
__device__ void for_row(int64_t head, int64_t V, F f) {
  const int64_t groups = (V - head) / W, tail = head + groups * W;
  for (int64_t j = threadIdx.x; j < head; j += kThreads) f.template operator()<1>(j);
#pragma unroll 4
  for (int64_t i = threadIdx.x; i < groups; i += kThreads) f.template operator()<W>(head + i * W);
  for (int64_t j = tail + threadIdx.x; j < V; j += kThreads) f.template operator()<1>(j);
}

/// m = maximum so far (never below the lowest finite number, so that x - m is no infinity - infinity where some x is
/// finite), sum of exp(x - m), and where the maximum was first seen.
template <class A>
struct Online {
  A m = std::numeric_limits<A>::lowest(), sum = 0;
  int64_t at = std::numeric_limits<int64_t>::max();

  template <class Group>
  __device__ void add(int64_t j, const Group& x) {
    constexpr int N = sizeof(x.at) / sizeof(x.at[0]);
    A top = m;
#pragma unroll
    for (int k = 0; k < N; ++k)
      if (static_cast<A>(x.at[k]) > top) {
        top = static_cast<A>(x.at[k]);
        at = j + k;
      }
    if (top > m) sum *= exp(m - top);
    m = top;
#pragma unroll
    for (int k = 0; k < N; ++k) sum += exp(static_cast<A>(x.at[k]) - m);
  }
};

// Row statistics, online softmax.      maxima[t] = m, log_sums[t] = log sum_j exp(x_j - m); losses[t], hits[t]
// Owns:    block = 1 row; thread = every kThreads-th group of 16 bytes of it.
// Traffic: reads the logits of the rows that count, once: bound by memory.
// Syncs:   block reductions of the maximum, the sum and the first maximum's place.
// Numerics: Accumulator<T>; order fixed, so bitwise repeatable. A NaN reaches the sum, and so the loss.
// Source:  Milakov & Gimelshein 2018 (arXiv 1805.02867), alg. 3.
template <int kThreads, class T, class A = Accumulator<T>>
__global__ void rows_kernel(const T* logits, int64_t stride, int64_t V, const int64_t* targets, int64_t ignore_index,
                            A* maxima, A* log_sums, double* losses, uint8_t* hits) {
  const int64_t t = blockIdx.x, target = targets[t];
  if (!counts(target, V, ignore_index)) {
    if (threadIdx.x == 0) losses[t] = hits[t] = 0;
    return;
  }
  const T* x = logits + t * stride;
  Online<A> own;
  for_row<kThreads, Vec<T>::kWidth>(head_of(x, x, V), V, [&]<int N>(int64_t j) { own.add(j, load<N>(x + j)); });
  const A m = block_max<kThreads>(own.m);
  const A log_sum = log(block_sum<kThreads>(own.sum * exp(own.m - m)));
  const int64_t first = -block_max<kThreads>(own.m == m ? -own.at : -Online<A>().at);
  if (threadIdx.x != 0) return;
  maxima[t] = m;
  log_sums[t] = log_sum;
  losses[t] = static_cast<double>(log_sum) - static_cast<double>(static_cast<A>(x[target]) - m);
  hits[t] = first == target;
}

// Totals.                              total, count, correct over T rows; weight; loss = weight total
// Owns:    one block; thread = every 1024th row.
// Traffic: reads 17 T bytes.           Syncs: block reductions.
// Numerics: F64, order fixed.
template <class Loss>
__global__ void __launch_bounds__(kTotalThreads)
    totals_kernel(const double* losses, const uint8_t* hits, const int64_t* targets, int64_t T, int64_t V,
                  int64_t ignore_index, const double* scale, double* total, int64_t* count, int64_t* correct,
                  double* weight, Loss* loss) {
  double own_total = 0;
  int64_t own_count = 0, own_correct = 0;
#pragma unroll 4
  for (int64_t t = threadIdx.x; t < T; t += kTotalThreads) {
    own_total += losses[t];
    own_count += counts(targets[t], V, ignore_index);
    own_correct += hits[t];
  }
  own_total = block_sum<kTotalThreads>(own_total);
  own_count = block_sum<kTotalThreads>(own_count);
  own_correct = block_sum<kTotalThreads>(own_correct);
  if (threadIdx.x != 0) return;
  *total = own_total;
  *count = own_count;
  *correct = own_correct;
  *weight = loss_weight(scale, own_count);
  *loss = static_cast<Loss>(*weight * own_total);
}

// Gradient.                            dlogits[t, v] = (exp(x_v - m - log sum) - [v is the target]) weight dloss
// Owns:    block = 1 row; thread = every kThreads-th group of 16 bytes of it.
// Traffic: reads the rows that count and writes all rows once: bound by memory.     Syncs: none.
// Numerics: Accumulator<T>.            Requires: dloss in Accumulator<T>.
template <int kThreads, class T, class A = Accumulator<T>>
__global__ void backward_kernel(const T* __restrict__ logits, int64_t stride, int64_t V, const int64_t* targets,
                                int64_t ignore_index, const A* maxima, const A* log_sums, const double* weight,
                                const A* dloss, T* __restrict__ dlogits, int64_t out_stride) {
  const int64_t t = blockIdx.x, target = targets[t];
  const T* x = logits + t * stride;
  T* dx = dlogits + t * out_stride;
  const int64_t head = head_of<T>(x, dx, V);
  if (!counts(target, V, ignore_index)) {
    for_row<kThreads, Vec<T>::kWidth>(head, V, [&]<int N>(int64_t j) { store(dx + j, decltype(load<N>(x)){}); });
    return;
  }
  const A m = maxima[t], log_sum = log_sums[t], gradient = static_cast<A>(*weight * static_cast<double>(*dloss));
  for_row<kThreads, Vec<T>::kWidth>(head, V, [&]<int N>(int64_t j) {
    auto y = load<N>(x + j);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const A p = exp(static_cast<A>(y.at[k]) - m - log_sum);
      y.at[k] = static_cast<T>((j + k == target ? p - 1 : p) * gradient);
    }
    store(dx + j, y);
  });
}

}  // namespace

void cross_entropy_rows(const CrossEntropyRows& rows, const Tensor& losses, const Tensor& hits) {
  const int64_t n = rows.logits.dim(0), V = rows.logits.dim(1);
  if (n == 0) return;
  dispatch_float(rows.logits.dtype(), "cross_entropy", [&]<class T>() {
    with_threads(V, [&]<int kThreads>() {
      auto* stats = rows.stats.data<Accumulator<T>>();
      rows_kernel<kThreads, T><<<blocks(n, 1), kThreads, 0, stream()>>>(
          rows.logits.data<T>(), rows.logits.stride(0), V, rows.targets.data<int64_t>(), rows.ignore_index, stats,
          stats + n, losses.data<double>(), hits.data<uint8_t>());
    });
  });
}

void cross_entropy_totals(const CrossEntropyRows& rows, const Tensor& losses, const Tensor& hits, const Tensor& scale,
                          const CrossEntropyTotals& totals) {
  dispatch_float(totals.loss.dtype(), "cross_entropy", [&]<class Loss>() {
    totals_kernel<<<1, kTotalThreads, 0, stream()>>>(
        losses.data<double>(), hits.data<uint8_t>(), rows.targets.data<int64_t>(), losses.numel(), rows.logits.dim(1),
        rows.ignore_index, scale.defined() ? scale.data<double>() : nullptr, totals.total.data<double>(),
        totals.count.data<int64_t>(), totals.correct.data<int64_t>(), totals.weight.data<double>(),
        totals.loss.data<Loss>());
  });
}

void cross_entropy_backward(const CrossEntropyRows& rows, const Tensor& weight, const Tensor& dloss,
                            const Tensor& dlogits) {
  const int64_t n = rows.logits.dim(0), V = rows.logits.dim(1);
  if (n == 0) return;
  dispatch_float(rows.logits.dtype(), "cross_entropy", [&]<class T>() {
    with_threads(V, [&]<int kThreads>() {
      const auto* stats = rows.stats.data<Accumulator<T>>();
      backward_kernel<kThreads, T><<<blocks(n, 1), kThreads, 0, stream()>>>(
          rows.logits.data<T>(), rows.logits.stride(0), V, rows.targets.data<int64_t>(), rows.ignore_index, stats,
          stats + n, weight.data<double>(), dloss.data<Accumulator<T>>(), dlogits.data<T>(), dlogits.stride(0));
    });
  });
}

}  // namespace matmix::cuda
