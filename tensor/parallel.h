#pragma once

#include <cstdint>

#include <omp.h>

namespace matmix {

/// CPU threads that kernels use: OMP_NUM_THREADS or all cores, until set. Results never depend on it.
int thread_count();
void set_thread_count(int threads);

/// Calls f(i) for every i in [0, n), spread over the threads. Each i must write what no other writes, and the split
/// of work into i must not depend on the thread count: so results have the same bits for any. `worth` is a rough
/// count of scalar operations in all; small work stays on the calling thread. f must not throw.
template <class F>
void parallel_for(int64_t n, int64_t worth, F&& f) {
  constexpr int64_t kWorthThreads = 32768;
  const int threads = thread_count();
  if (threads == 1 || n <= 1 || worth < kWorthThreads || omp_in_parallel()) {
    for (int64_t i = 0; i < n; ++i) f(i);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t i = 0; i < n; ++i) f(i);
}

}  // namespace matmix
