#include "data/prefetch.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "data/recall.h"
#include "tensor/error.h"
#include "tests/data/same_batch.h"

using namespace matmix;
using namespace matmix::data;
using matmix::testing::same_batch;

TEST_CASE("what is got depends on the step alone, in any order") {
  const Recall recall({});
  const auto make = [&](int64_t step) { return recall.train(step * 4, 4); };
  Prefetch prefetch(make);
  for (const int64_t step : {0, 1, 2, 7, 8, 3, 3}) CHECK(same_batch(prefetch.get(step), make(step)));
}

TEST_CASE("the next step is made ahead on another thread, one batch at a time") {
  const Recall recall({});
  std::atomic<int64_t> made{-1};
  std::atomic<int> at_work{0};
  std::atomic<bool> overlapped{false}, on_caller{false};
  const std::thread::id caller = std::this_thread::get_id();
  {
    Prefetch prefetch([&](int64_t step) {
      if (at_work.fetch_add(1) > 0) overlapped = true;
      if (std::this_thread::get_id() == caller) on_caller = true;
      Batch batch = recall.train(step, 1);
      --at_work;
      made = step;
      return batch;
    });
    prefetch.get(0);
    for (int i = 0; i < 10000 && made != 1; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    CHECK(made == 1);  // though nobody has asked for step 1
    for (const int64_t step : {5, 9, 2}) prefetch.get(step);
  }
  CHECK(made == 3);  // the destructor has waited
  CHECK(!overlapped);
  CHECK(!on_caller);
}

TEST_CASE("an exception comes out of the step it belongs to, and the next try makes that step again") {
  const Recall recall({});
  std::atomic<bool> broken{true};
  Prefetch prefetch([&](int64_t step) {
    if (step == 1 && broken) fail("make", "step must not be 1");
    return recall.train(step, 1);
  });
  CHECK_NOTHROW(prefetch.get(0));
  CHECK_THROWS_WITH_AS(prefetch.get(1), "make: step must not be 1", Error);
  broken = false;
  CHECK(same_batch(prefetch.get(1), recall.train(1, 1)));
}

TEST_CASE("nothing is made before it is asked for") {
  bool called = false;
  {
    const Recall recall({});
    Prefetch prefetch([&](int64_t step) {
      called = true;
      return recall.train(step, 1);
    });
  }
  CHECK(!called);
}
