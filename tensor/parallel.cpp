#include "tensor/parallel.h"

#include <atomic>

#include "tensor/error.h"

namespace matmix {
namespace {
std::atomic<int> threads{0};
}  // namespace

int thread_count() {
  const int set = threads.load(std::memory_order_relaxed);
  return set > 0 ? set : omp_get_max_threads();
}

void set_thread_count(int count) {
  require(count > 0, "threads", "must be positive, got ", count);
  threads = count;
}

}  // namespace matmix
