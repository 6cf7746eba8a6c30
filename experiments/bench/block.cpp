// matmix bench block: one Hydra block, forward and forward + backward, the same number of tokens a call at growing
// lengths. On a GPU the size of the 112M model; on the CPU a smaller one.
#include <fmt/core.h>
#include <algorithm>

#include "autograd/backward.h"
#include "autograd/no_grad.h"
#include "experiments/bench/bench.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/output/table.h"
#include "mixers/quasiseparable.h"
#include "nn/parameter_store.h"

namespace matmix::experiments {
namespace {

struct BlockSize {
  int64_t d_model, headdim, state, tokens;
  std::vector<int64_t> lengths;
};

struct BlockFigures {
  double forward_ms, both_ms;
  int64_t peak_bytes;
};

BlockFigures measure(const BlockSize& size, int64_t L, MathMode mode, const Harness& harness) {
  const int64_t B = std::max<int64_t>(1, size.tokens / L);
  mixers::MixerBlock block({.d_model = size.d_model, .headdim = size.headdim}, [&](const mixers::BlockShape& shape) {
    return std::make_unique<mixers::Quasiseparable>(shape, mixers::QuasiseparableMixerOptions{.state = size.state});
  });
  const nn::ParameterStore store(block, harness.device, mode, 0);
  const Tensor x = random_values({B, L, size.d_model}, activation_dtype(mode), harness.device);
  const Runs runs = Runs::full(B, L);
  const auto forward = [&] {
    const NoGrad values_only;
    block.forward(x, runs);
  };
  const auto both = [&] { backward(block.forward(leaf(x), runs), {.seed = x}); };
  const int64_t peak = harness.peak_bytes(both);
  const std::vector<double> ms = harness.time(std::vector<std::function<void()>>{forward, both});
  return {ms[0], ms[1], peak};
}

void print_json(const BlockSize& size, int64_t L, MathMode mode, const BlockFigures& f) {
  JsonLine()
      .put("block", "hydra")
      .put("dtype", to_string(mode))
      .put("d_model", size.d_model)
      .put("tokens", std::max<int64_t>(1, size.tokens / L) * L)
      .put("L", L)
      .put("forward_ms", f.forward_ms)
      .put("forward_backward_ms", f.both_ms)
      .put("peak_bytes", f.peak_bytes)
      .print();
}

}  // namespace

void bench_block(const BenchOptions& options, const Harness& harness) {
  const bool cuda = harness.device.is_cuda();
  BlockSize size{128, 32, 16, 8192, {128, 512, 2048, 8192}};
  if (cuda) size = {768, 64, 64, 65536, {128, 512, 2048, 8192, 65536}};
  if (!options.lengths.empty()) size.lengths = options.lengths;
  std::vector<MathMode> modes{MathMode::kF32};
  if (cuda) modes.insert(modes.begin(), MathMode::kBF16);
  if (!options.global.dtype.empty()) modes = {options.global.mode_or(MathMode::kF32)};

  const Table table(
      {{"dtype", -8}, {"L", 8}, {"forward ms", 13}, {"+ backward ms", 15}, {"tokens/s", 14}, {"MiB", 10}});
  if (!options.global.json) {
    print_out("Hydra block, d_model {}, expand 2, headdim {}, state {}, {} tokens a call\n", size.d_model, size.headdim,
              size.state, size.tokens);
    table.head();
  }
  for (const MathMode mode : modes) {
    const Tf32Scope tf32(mode == MathMode::kTF32);
    for (const int64_t L : size.lengths) {
      const BlockFigures f = measure(size, L, mode, harness);
      const double tokens = static_cast<double>(std::max<int64_t>(1, size.tokens / L) * L);
      if (options.global.json)
        print_json(size, L, mode, f);
      else
        table.row({std::string(to_string(mode)), std::to_string(L), short_number(f.forward_ms), short_number(f.both_ms),
                   short_number(1e3 * tokens / f.both_ms),
                   short_number(static_cast<double>(f.peak_bytes) / (1 << 20))});
    }
  }
}

}  // namespace matmix::experiments
