#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/bench/harness.h"
#include "experiments/output/options.h"

namespace matmix::experiments {

struct BenchOptions {
  std::string what;  ///< ops, mixers, block, train
  std::vector<int64_t> lengths;
  std::vector<std::string> mixers;
  std::string config;  ///< of train
  int repeats = 0;     ///< 0: the benchmark's own choice
  std::string html;    ///< of mixers: file for a page of plots; "": none
  Global global;
};

// Each prints its figures; what they are is said in its file.
void bench_ops(const BenchOptions& options, const Harness& harness);
void bench_mixers(const BenchOptions& options, const Harness& harness);
void bench_block(const BenchOptions& options, const Harness& harness);
void bench_train(const BenchOptions& options, const Harness& harness);

}  // namespace matmix::experiments
