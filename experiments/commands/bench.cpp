#include "experiments/bench/bench.h"

#include <fmt/core.h>

#include "experiments/output/print.h"
#include "experiments/output/provenance.h"
#include "tensor/parallel.h"

namespace matmix::experiments {

int run_bench(const BenchOptions& options) {
  Harness harness{.device = options.global.device_or(kCpu)};
  if (options.repeats > 0) harness.repeats = options.repeats;
  if (!options.global.json)
    print_out("{} on {}{}\n", version_text(), device_name(harness.device),
              harness.device.is_cuda() ? "" : fmt::format(", {} threads", thread_count()));
  const Tf32Scope tf32(options.global.mode_or(MathMode::kF32) == MathMode::kTF32);
  if (options.what == "ops") bench_ops(options, harness);
  if (options.what == "mixers") bench_mixers(options, harness);
  if (options.what == "block") bench_block(options, harness);
  if (options.what == "train") bench_train(options, harness);
  return 0;
}

}  // namespace matmix::experiments
