#include "experiments/crash.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "autograd/no_grad.h"
#include "experiments/run_folder.h"
#include "experiments/trainer.h"
#include "nn/probe.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

namespace fs = std::filesystem;

Range range_of(const std::string& name, const Tensor& x) {
  Range range{.name = name, .min = INFINITY, .max = -INFINITY, .rms = 0};
  const std::vector<double> values = to_vector<double>(x);
  for (const double v : values) {
    range.min = std::min(range.min, v);
    range.max = std::max(range.max, v);
    range.rms += v * v;
  }
  range.rms = std::sqrt(range.rms / static_cast<double>(std::max<size_t>(values.size(), 1)));
  return range;
}

/// A trainer and the steps it has done.
struct Standing {
  std::unique_ptr<Trainer> trainer;
  int64_t step = 0;
};

Standing not_later_than(const fs::path& run, const Config& config, int64_t step) {
  Standing standing{std::make_unique<Trainer>(config), 0};
  const std::optional<RunFolder::Checkpoint> found = find_checkpoint(run);
  if (!found || found->step > step) return standing;
  standing.trainer->load(found->state);
  standing.step = found->step;
  return standing;
}

int64_t first_bad_step(const fs::path& run, const Config& config, int64_t steps) {
  const Standing at = not_later_than(run, config, steps - 1);
  for (int64_t step = at.step; step < steps; ++step) {
    at.trainer->run(step);
    const StepFigures figures = at.trainer->take_figures();
    if (!std::isfinite(figures.loss) || !std::isfinite(figures.grad_norm)) return step;
  }
  return steps - 1;
}

TensorFile batch_file(const data::Batch& batch) {
  std::vector<int64_t> runs;
  for (const Run& r : batch.runs.all()) runs.insert(runs.end(), {r.row, r.start, r.length});
  TensorFile file;
  file.tensors = {{"ids", batch.ids}, {"positions", batch.positions}, {"labels", batch.labels}};
  file.tensors.emplace_back("runs", from_vector(runs, {static_cast<int64_t>(runs.size() / 3), 3}));
  return file;
}

}  // namespace

std::string StepTrace::stream() const {
  for (auto r = activations.rbegin(); r != activations.rend(); ++r)
    if (r->name.ends_with("residual") || r->name.ends_with("embedding"))
      return fmt::format("{} is in [{:.4g}, {:.4g}], rms {:.4g}", r->name, r->min, r->max, r->rms);
  return "";
}

StepTrace trace_step(const Config& config, const TensorFile& state, int64_t step) {
  Trainer trainer(config);
  trainer.load(state);
  StepTrace trace;
  const nn::Probe probe;
  bool forward_ended = true;
  try {
    const Tripwire on;
    trainer.run(step);
  } catch (const Error& error) {
    trace.first_bad = error.what();
    forward_ended = trace.first_bad.starts_with("backward of ");
  }
  for (const auto& [path, x] : probe.values()) trace.activations.push_back(range_of(path, x.value()));
  if (!forward_ended) return trace;
  const nn::ParameterStore& store = trainer.store();
  for (const auto& entry : store.entries())
    trace.gradients.push_back(range_of(entry.path, nn::ParameterStore::part(store.grad(), entry)));
  return trace;
}

TensorFile state_before(const fs::path& run, const Config& config, int64_t step) {
  const Standing at = not_later_than(run, config, step);
  for (int64_t s = at.step; s < step; ++s) at.trainer->run(s);
  TensorFile live, state;
  at.trainer->save(live);
  state.metadata = live.metadata;
  state.metadata["step"] = std::to_string(step);
  for (const auto& [name, x] : live.tensors) state.tensors.emplace_back(name, clone(to(x, kCpu)));
  return state;
}

Crash write_crash(const fs::path& run, const Config& config, int64_t steps) {
  Crash crash{.step = first_bad_step(run, config, steps), .trace = {}};
  const TensorFile state = state_before(run, config, crash.step);
  crash.trace = trace_step(config, state, crash.step);
  const fs::path folder = run / "crash";
  fs::create_directories(folder);
  const auto dataset = make_dataset(config.data);
  write_safetensors(folder / "batch.safetensors",
                    batch_file(dataset->train(crash.step * config.train.batch, config.train.batch)));
  write_file_atomically(folder / "report.json", JsonLine()
                                                        .put("step", crash.step + 1)
                                                        .put("first_bad", crash.trace.first_bad)
                                                        .put("stream", crash.trace.stream())
                                                        .text() +
                                                    "\n");
  write_safetensors(folder / "state.safetensors", state);
  return crash;
}

std::optional<TensorFile> crash_state(const fs::path& run) {
  const fs::path path = run / "crash" / "state.safetensors";
  if (!fs::exists(path)) return std::nullopt;
  return read_safetensors(path);
}

}  // namespace matmix::experiments
