#include "tensor/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <numeric>
#include <vector>

#include "tensor/error.h"

using namespace matmix;

TEST_CASE("parallel_for calls every index once, for any thread count, also when nested") {
  const int before = thread_count();
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    CHECK(thread_count() == threads);
    std::vector<std::atomic<int>> hits(100);
    parallel_for(10, 1 << 20, [&](int64_t i) {
      parallel_for(10, 1 << 20, [&](int64_t j) { ++hits[static_cast<size_t>(10 * i + j)]; });
    });
    for (const auto& h : hits) CHECK(h == 1);
    parallel_for(0, 1 << 20, [&](int64_t) { CHECK(false); });
  }
  set_thread_count(before);
  CHECK_THROWS_WITH_AS(set_thread_count(0), "threads: must be positive, got 0", Error);
}

TEST_CASE("small work stays on the calling thread") {
  const int before = thread_count();
  set_thread_count(3);
  parallel_for(8, 100, [](int64_t) { CHECK(omp_get_thread_num() == 0); });
  set_thread_count(before);
}
