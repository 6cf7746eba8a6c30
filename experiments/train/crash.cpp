#include "experiments/train/crash.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "autograd/finite.h"
#include "autograd/no_grad.h"
#include "experiments/runs/run_folder.h"
#include "experiments/train/trainer.h"
#include "nn/probe.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

namespace fs = std::filesystem;

constexpr const char *kState = "state.safetensors", *kHeldoutRow = "heldout_row";

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
  const std::optional<Checkpoint> found = find_checkpoint(run);
  if (found) standing.trainer->require_same_data(found->state);
  if (!found || found->step > step) return standing;
  standing.trainer->load(found->state);
  standing.step = found->step;
  return standing;
}

Moment first_bad_moment(const fs::path& run, const Config& config, int64_t steps) {
  const Standing at = not_later_than(run, config, steps);
  for (int64_t step = at.step; step < steps; ++step) {
    at.trainer->run(step);
    if (!at.trainer->finite()) return {step, {}};
  }
  for (int64_t row = 0; row < at.trainer->dataset().heldout_rows(); row += config.train.batch)
    if (at.trainer->evaluate(config.train.batch, row).diverged()) return {steps, row};
  return {steps - 1, {}};  // it was not the program's doing
}

/// What the update left in the parameters that is not finite; "": nothing.
std::string bad_parameter(const nn::ParameterStore& store) {
  try {
    for (const auto& entry : store.entries())
      check_finite("adamw", "", text("'", entry.path, "' after the update").c_str(),
                   nn::ParameterStore::part(store.master(), entry));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TensorFile batch_file(const data::Batch& batch) {
  std::vector<int64_t> runs;
  for (const Run& r : batch.runs.all()) runs.insert(runs.end(), {r.row, r.start, r.length});
  TensorFile file;
  file.tensors = {{"ids", batch.ids}, {"positions", batch.positions}, {"labels", batch.labels}};
  file.tensors.put("runs", from_vector(runs, {static_cast<int64_t>(runs.size() / 3), 3}));
  return file;
}

}  // namespace

std::string StepTrace::stream() const {
  for (auto r = activations.rbegin(); r != activations.rend(); ++r)
    if (r->name.ends_with("residual") || r->name.ends_with("embedding"))
      return fmt::format("{} is in [{:.4g}, {:.4g}], rms {:.4g}", r->name, r->min, r->max, r->rms);
  return "";
}

std::string to_string(const Moment& m) {
  return m.heldout_row ? text("held-out rows from ", *m.heldout_row, " on after step ", m.step)
                       : text("step ", m.step + 1);
}

void put(JsonLine& line, const Moment& m) {
  line.put("step", m.heldout_row ? m.step : m.step + 1);
  if (m.heldout_row) line.put(kHeldoutRow, *m.heldout_row);
}

StepTrace trace_scene(const Config& config, const Scene& scene) {
  Trainer trainer(config);
  trainer.load(scene.state);
  StepTrace trace;
  const nn::Probe probe;
  bool forward_ended = !scene.moment.heldout_row;
  try {
    const Tripwire on;
    if (scene.moment.heldout_row)
      trainer.evaluate(config.train.batch, *scene.moment.heldout_row);
    else
      trainer.run(scene.moment.step);
  } catch (const Error& error) {
    trace.first_bad = error.what();
    forward_ended = trace.first_bad.starts_with("backward of ");
  }
  for (size_t i = 0; i < probe.values().size(); ++i) {
    const auto& [path, x] = probe.values()[i];
    const Tensor& dx = probe.gradients()[i];
    trace.activations.push_back(range_of(path, x.value()));
    trace.activation_gradients.push_back(dx.defined() ? range_of(path, dx) : Range());
  }
  if (!forward_ended) return trace;
  const nn::ParameterStore& store = trainer.store();
  for (const auto& entry : store.entries())
    trace.gradients.push_back(range_of(entry.path, nn::ParameterStore::part(store.grad(), entry)));
  if (trace.first_bad.empty()) trace.first_bad = bad_parameter(store);
  return trace;
}

TensorFile state_before(const fs::path& run, const Config& config, int64_t step) {
  const Standing at = not_later_than(run, config, step);
  for (int64_t s = at.step; s < step; ++s) at.trainer->run(s);
  TensorFile live, state;
  at.trainer->save(live);
  state.metadata = live.metadata;
  state.metadata["step"] = std::to_string(step);
  for (const auto& [name, x] : live.tensors) state.tensors.put(name, clone(to(x, kCpu)));
  return state;
}

Crash write_crash(const fs::path& run, int64_t steps) {
  const Config config = config_of_run(run);
  const fs::path folder = run / "crash";
  fs::create_directories(folder);
  fs::remove(folder / kState);
  const Moment moment = first_bad_moment(run, config, steps);
  Scene scene{moment, state_before(run, config, moment.step)};
  const Crash crash{moment, trace_scene(config, scene)};
  const auto dataset = make_dataset(config.data);
  const int64_t batch = config.train.batch;
  JsonLine report;
  put(report, moment);
  if (moment.heldout_row) scene.state.metadata[kHeldoutRow] = std::to_string(*moment.heldout_row);
  report.put("first_bad", crash.trace.first_bad).put("stream", crash.trace.stream());
  write_safetensors(folder / "batch.safetensors",
                    batch_file(moment.heldout_row ? dataset->heldout(*moment.heldout_row, batch)
                                                  : dataset->train(moment.step * batch, batch)));
  write_file_atomically(folder / "report.json", report.text() + "\n");
  write_state(folder / kState, scene.state);
  return crash;
}

std::optional<Scene> crash_scene(const fs::path& run) {
  const fs::path path = run / "crash" / kState;
  if (!fs::exists(path)) return std::nullopt;
  Scene scene{{}, read_safetensors(path)};
  scene.moment.step = number_of(scene.state, "step");
  if (scene.state.metadata.contains(kHeldoutRow)) scene.moment.heldout_row = number_of(scene.state, kHeldoutRow);
  return scene;
}

}  // namespace matmix::experiments
