#pragma once

#include "experiments/bench/harness.h"
#include "experiments/commands/commands.h"

namespace matmix::experiments {

// Each prints its figures; what they are is said in its file.
void bench_ops(const BenchOptions& options, const Harness& harness);
void bench_mixers(const BenchOptions& options, const Harness& harness);
void bench_block(const BenchOptions& options, const Harness& harness);
void bench_train(const BenchOptions& options, const Harness& harness);

}  // namespace matmix::experiments
