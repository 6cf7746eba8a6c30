#include "tensor/parallel.h"

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tensor/error.h"
#include "tests/support/thread_count.h"

using namespace matmix;
using matmix::testing::ThreadCount;

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
  for (const int bad : {0, -1, kMostThreads + 1})
    CHECK_THROWS_WITH_AS(set_thread_count(bad), ("threads: must be in [1, 4096], got " + std::to_string(bad)).c_str(),
                         Error);
}

TEST_CASE("small work stays on the calling thread") {
  const ThreadCount three(3);
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> elsewhere{0};
  parallel_for(8, 100, [&](int64_t) { elsewhere += std::this_thread::get_id() != caller; });
  CHECK(elsewhere == 0);
}

TEST_CASE("large work is done on several threads at a time") {
  const ThreadCount three(3);
  std::atomic<int> arrived{0};
  std::set<std::thread::id> threads;
  std::mutex mutex;
  parallel_for(3, 1 << 20, [&](int64_t) {
    ++arrived;
    for (int i = 0; arrived < 3 && i < 10000; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  CHECK(threads.size() == 3);
}

TEST_CASE("threads that call at once each get all of theirs done") {
  const ThreadCount three(3);
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) parallel_for(20, 1 << 20, [&](int64_t i) { sum += i; });
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(sum == 4 * 200 * 190);
}

TEST_CASE("threads that wait take no processor") {
  const ThreadCount three(3);
  parallel_for(3, 1 << 20, [](int64_t) {});
  const auto seconds = [] { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; };
  const double before = seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(seconds() - before < 0.15);
}

TEST_CASE("a child of fork has threads of its own") {
  const ThreadCount three(3);
  parallel_for(3, 1 << 20, [](int64_t) {});
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    std::atomic<int64_t> sum{0};
    for (int round = 0; round < 3; ++round) parallel_for(20, 1 << 20, [&](int64_t i) { sum += i; });
    ::_exit(sum == 3 * 190 ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
