#include "tensor/accumulate_kernels.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/reduce.cuh"
#include "tensor/cuda/vector.cuh"
#include "tensor/cuda/walk.cuh"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarpTerms = 64;  // dense sums of at least so many terms get a warp each

template <class A, class I>
__device__ void store_sum(I& y, A sum, bool add) {
  y = static_cast<I>((add ? static_cast<A>(y) : A(0)) + sum);
}

// One sum a thread.                     into[i] (+)= sum_j x[i, j]
// Owns:    thread = 1 output: neighbours in a warp are neighbours in x where its outputs are dense (sums of columns).
// Traffic: reads every x once, reads and writes outputs: bound by memory.     Syncs: none.
// Numerics: A is double or float; the terms in order, so bitwise repeatable.
template <class A, class I, class X>
__global__ void sum_by_thread(I* into, const X* __restrict__ x, const SumPlan plan, int64_t outputs, int64_t count) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= outputs) return;
  const Offsets at = offsets_of(i, plan.outputs);
  const X* terms = x + at.b;
  A sum = 0;
  if (plan.summed.shape.rank() <= 1) {
    const int64_t stride = plan.summed.b[0];
#pragma unroll 8
    for (int64_t j = 0; j < count; ++j) sum += static_cast<A>(terms[j * stride]);
  } else {
    for (int64_t j = 0; j < count; ++j) sum += static_cast<A>(terms[offsets_of(j, plan.summed).b]);
  }
  store_sum(into[at.a], sum, plan.add);
}

// Nothing to sum, rows of fours.        into[i] (+)= x[i]
// Owns:    thread = 4 neighbours of one row, found and moved at once.         Syncs: none.
// Traffic: reads every x once, reads and writes outputs: bound by memory.
template <class A, class I, class X>
__global__ void add_fours(I* into, const X* __restrict__ x, const Walk outputs, int64_t count, bool add) {
  const int64_t i = 4 * (int64_t{blockIdx.x} * kThreads + threadIdx.x);
  if (i >= count) return;
  const Offsets at = offsets_of(i, outputs);
  const auto terms = load4(x + at.b, 4, true);
  auto y = load4(into + at.a, add ? 4 : 0, true);
#pragma unroll
  for (int k = 0; k < 4; ++k) y[k] = static_cast<Accumulator<I>>(static_cast<A>(y[k]) + static_cast<A>(terms[k]));
  store4(into + at.a, y, 4, true);
}

/// Whether the last axis is dense in both and every row of it starts and ends at a whole four.
template <class I, class X>
bool is_rows_of_fours(const I* into, const X* x, const Walk& walk) {
  const int last = walk.shape.rank() - 1;
  if (last < 0 || walk.a[last] != 1 || walk.b[last] != 1 || walk.shape[last] % 4 != 0) return false;
  bool fits = moves_whole_fours(into, 0) && moves_whole_fours(x, 0);
  for (int axis = 0; axis < last; ++axis) fits = fits && walk.a[axis] % 4 == 0 && walk.b[axis] % 4 == 0;
  return fits;
}

// One sum a warp.                       into[i] (+)= sum_j x[i, j], the last axis of j dense
// Owns:    warp = 1 output; lane l sums terms l, l + 32, ... in order, then the lanes are added in a fixed tree.
// Traffic: reads every x once along its lines: bound by memory.               Syncs: within the warp.
// Numerics: A is double or float; bitwise repeatable.
template <class A, class I, class X>
__global__ void sum_by_warp(I* into, const X* __restrict__ x, const SumPlan plan, int64_t outputs, int64_t count) {
  const int64_t i = int64_t{blockIdx.x} * (kThreads / kWarp) + threadIdx.x / kWarp;
  if (i >= outputs) return;
  const Offsets at = offsets_of(i, plan.outputs);
  const X* terms = x + at.b;
  const int lane = threadIdx.x % kWarp;
  A sum = 0;
  if (plan.summed.shape.rank() == 1) {
#pragma unroll 8
    for (int64_t j = lane; j < count; j += kWarp) sum += static_cast<A>(terms[j]);
  } else {
    for (int64_t j = lane; j < count; j += kWarp) sum += static_cast<A>(terms[offsets_of(j, plan.summed).b]);
  }
  sum = warp_sum(sum);
  if (lane == 0) store_sum(into[at.a], sum, plan.add);
}

}  // namespace

void sum(const Tensor& into, const Tensor& x, const SumPlan& plan) {
  const int64_t outputs = plan.outputs.shape.numel(), count = plan.summed.shape.numel();
  const bool by_warp = count >= kWarpTerms && plan.summed.b.dim(-1) == 1;
  dispatch_float(into.dtype(), "accumulate", [&]<class I>() {
    dispatch_float(x.dtype(), "accumulate", [&]<class X>() {
      using A = std::conditional_t<std::is_same_v<I, double>, double, Accumulator<X>>;
      if (count == 1 && is_rows_of_fours(into.data<I>(), x.data<X>(), plan.outputs)) {
        add_fours<A, I, X><<<blocks(outputs / 4, kThreads), kThreads, 0, stream()>>>(into.data<I>(), x.data<X>(),
                                                                                     plan.outputs, outputs, plan.add);
        return;
      }
      const auto kernel = by_warp ? sum_by_warp<A, I, X> : sum_by_thread<A, I, X>;
      kernel<<<blocks(outputs, by_warp ? kThreads / kWarp : kThreads), kThreads, 0, stream()>>>(
          into.data<I>(), x.data<X>(), plan, outputs, count);
    });
  });
}

}  // namespace matmix::cuda
