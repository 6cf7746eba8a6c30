#pragma once

#include <cstdint>
#include <functional>
#include <future>

#include "data/batch.h"

namespace matmix::data {

/// Makes the next step's batch on another thread while this one's is used. What is got depends on the step asked for
/// alone, so a run may start or go on at any step; asking in order is merely fast.
class Prefetch {
 public:
  /// `make` is called by one thread at a time, and must outlive what it refers to.
  explicit Prefetch(std::function<Batch(int64_t step)> make) : make_(std::move(make)) {}
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;
  /// make(step), and starts on make(step + 1). What make throws is thrown here.
  Batch get(int64_t step);

 private:
  void start(int64_t step);

  std::function<Batch(int64_t)> make_;
  int64_t next_step_ = 0;
  std::future<Batch> next_;  // last: its destructor waits for the thread that uses make_
};

}  // namespace matmix::data
