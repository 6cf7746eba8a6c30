// matmix bench train: whole training steps of a config (forward, backward, clip, AdamW) on its own data, and what share
// of a step its matrix products take when they are run alone.
#include <fmt/core.h>
#include <cmath>
#include <map>
#include <set>

#include "experiments/bench/bench.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/output/table.h"
#include "experiments/train/trainer.h"
#include "ops/matmul/gemm.h"
#include "tensor/create.h"

namespace matmix::experiments {
namespace {

/// Steps before the clock starts: caches fill, a GPU captures its graph.
constexpr int64_t kWarmupSteps = 5;

Config bench_config(const BenchOptions& options) {
  const std::string path = options.config.empty() ? "experiments/configs/glosses_hydra.json" : options.config;
  std::vector<std::string> set = options.global.assignments();
  if (!options.lengths.empty()) set.push_back(text("data.max_len=", options.lengths.front()));
  return read_config(path, set);
}

/// Milliseconds of the three products (result, input's and weight's gradient) of one weight [N, K] on `rows` rows.
double product_ms(const Shape& weight, int64_t rows, DType dtype, DType master, const Harness& harness) {
  const int64_t N = weight[0], K = weight[1];
  const Device device = harness.device;
  const Tensor x = random_values({rows, K}, dtype, device), W = random_values({N, K}, dtype, device);
  const Tensor y = random_values({rows, N}, dtype, device), dx = empty_like(x), dW = zeros({N, K}, master, device);
  return harness.time([&] {
    gemm(x, W.transpose(0, 1), y);
    gemm(y, W, dx);
    gemm(y.transpose(0, 1), x, dW, 1, 1);
  });
}

/// Of one step: each GEMM weight meets every token of the batch, those of the head the target slots alone.
double products_ms(Trainer& trainer, int64_t tokens, int64_t targets, const Harness& harness) {
  const MathMode mode = trainer.store().mode();
  std::map<std::pair<std::string, int64_t>, double> known;
  std::set<const nn::Parameter*> tied;
  double sum = 0;
  nn::for_each_parameter(trainer.model(), [&](const std::string& path, nn::Parameter& p) {
    if (p.operand() != nn::Operand::kGemm || p.shape().rank() != 2 || !tied.insert(&p).second) return;
    if (path.starts_with("position_embedding")) return;  // rows are looked up
    const bool head = path.starts_with("head") || path.starts_with("embedding");
    const int64_t rows = head ? targets : tokens;
    const auto [entry, is_new] = known.try_emplace({to_string(p.shape()), rows}, 0);
    if (is_new) entry->second = product_ms(p.shape(), rows, activation_dtype(mode), master_dtype(mode), harness);
    sum += entry->second;
  });
  return sum;
}

}  // namespace

void bench_train(const BenchOptions& options, const Harness& defaults) {
  const Config config = bench_config(options);
  Trainer trainer(config);
  Harness harness = defaults;
  harness.device = trainer.device();

  int64_t step = 0;
  while (step < kWarmupSteps) trainer.run(step++);
  synchronize(harness.device);
  const int64_t tokens_before = trainer.tokens(), first = step;
  const int64_t peak = harness.peak_bytes([&] { trainer.run(step++); });
  const double ms = harness.time([&] { trainer.run(step++); });
  const int64_t tokens =
      std::llround(static_cast<double>(trainer.tokens() - tokens_before) / static_cast<double>(step - first));
  const data::RowForm form = trainer.dataset().form();
  const int64_t slots = config.train.batch * form.L, targets = config.train.batch * form.targets;
  const double gemm_ms = products_ms(trainer, slots, targets, harness);

  if (options.global.json) {
    JsonLine()
        .put("config", config.name)
        .put("dtype", config.train.dtype)
        .put("parameters", trainer.store().count())
        .put("tokens_per_step", tokens)
        .put("step_ms", ms)
        .put("tokens_per_second", 1e3 * static_cast<double>(tokens) / ms)
        .put("products_ms", gemm_ms)
        .put("peak_bytes", peak)
        .put("captured", trainer.captured())
        .print();
    return;
  }
  print_out("{}: {} parameters, {}, {} tokens ({} slots, {} for targets) a step{}\n", config.name,
            trainer.store().count(), config.train.dtype, tokens, slots, targets,
            trainer.captured() ? ", captured as a graph" : "");
  print_out("  {} ms a step, {} tokens/s; its matrix products alone {} ms, {:.0f}% of it\n", short_number(ms),
            short_number(1e3 * static_cast<double>(tokens) / ms), short_number(gemm_ms), 100 * gemm_ms / ms);
  print_out("  {} MiB at the peak beyond parameters and optimiser\n",
            short_number(static_cast<double>(peak) / (1 << 20)));
}

}  // namespace matmix::experiments
