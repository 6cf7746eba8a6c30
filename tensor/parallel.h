#pragma once

#include <cstdint>
#include <type_traits>

namespace matmix {

/// The most threads that can be asked for.
inline constexpr int kMostThreads = 4096;

/// CPU threads that kernels use: as set; else OMP_NUM_THREADS (the first number of a list; at most kMostThreads;
/// ignored unless positive); else the processors that this process may use. Results never depend on it.
int thread_count();
/// Error unless threads is in [1, kMostThreads].
void set_thread_count(int threads);
/// Processors that this process may use, at least 1.
int processor_count();

namespace detail {
using Work = void (*)(void* f, int64_t i);
void run_on_threads(int64_t n, int threads, Work work, void* f);
/// Whether this thread is inside a parallel_for.
bool in_parallel();
}  // namespace detail

/// Calls f(i) for every i in [0, n), spread over the threads. Each i must write what no other writes, and the split
/// of work into i must not depend on the thread count: so results have the same bits for any. `worth` is a rough
/// count of scalar operations in all; small work stays on the calling thread, so does that of a nested call and that
/// of a second thread that calls meanwhile. f must not throw. The threads wait asleep; after fork() a child has its own.
template <class F>
void parallel_for(int64_t n, int64_t worth, F&& f) {
  constexpr int64_t kWorthThreads = 32768;
  if (n <= 1 || worth < kWorthThreads || thread_count() == 1 || detail::in_parallel()) {
    for (int64_t i = 0; i < n; ++i) f(i);
    return;
  }
  using G = std::remove_reference_t<F>;
  const auto work = [](void* g, int64_t i) { (*static_cast<G*>(g))(i); };
  detail::run_on_threads(n, thread_count(), work, const_cast<std::remove_const_t<G>*>(&f));
}

}  // namespace matmix
