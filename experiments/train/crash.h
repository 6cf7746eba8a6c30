#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "experiments/config/config.h"
#include "experiments/output/json_line.h"
#include "tensor/safetensors.h"

namespace matmix::experiments {

/// The size of the numbers of one tensor.
struct Range {
  std::string name;  ///< module path and what it is
  double min = 0, max = 0, rms = 0;
};

/// What of a run can be watched: a training step, or a batch of held-out rows.
struct Moment {
  int64_t step = 0;                    ///< of training, from 0; of held-out rows: the steps done before
  std::optional<int64_t> heldout_row;  ///< the first of the batch
};
/// "step 1", or "held-out rows from 64 on after step 1".
std::string to_string(const Moment& moment);
/// step, from 1 (of held-out rows: the steps done), and heldout_row.
void put(JsonLine& line, const Moment& moment);

/// A moment watched: every value an op makes, every gradient and the parameters after the update are looked at.
struct StepTrace {
  std::string first_bad;  ///< op, module path, tensor and index of the first value that is not finite; "": none
  std::vector<Range> activations;           ///< in the order of the forward pass, up to the first bad value
  std::vector<Range> activation_gradients;  ///< of the same; no name: the way back never got there
  std::vector<Range> gradients;             ///< of parameters; empty if the forward pass did not end

  /// What the last residual stream was like, in words; "" if none was reached.
  std::string stream() const;
};

/// A moment of a run and everything that it depends on.
struct Scene {
  Moment moment;
  TensorFile state;
};
/// Watches it, in the config's dtype.
StepTrace trace_scene(const Config& config, const Scene& scene);

/// The state of a run before step `step`, found again from its newest checkpoint that is not later, or from the start.
TensorFile state_before(const std::filesystem::path& run, const Config& config, int64_t step);

/// What crash/ in a run's folder holds:
///   state.safetensors   everything the moment depends on, before it; metadata: step, heldout_row. It is removed first
///                       and written last: where it is, the other two are and belong to it
///   batch.safetensors   its ids, positions and labels, and its runs [runs, 3]: row, start, length
///   report.json         step, heldout_row, what was the first bad value, the range of the residual stream
/// Random bits are a function of config and step.
struct Crash {
  Moment moment;
  StepTrace trace;
};
/// Goes over the steps since the last checkpoint again, up to `steps`, to the first that leaves a loss, a gradient or a
/// parameter that is not finite, else to the first held-out rows whose loss is not, and writes crash/.
Crash write_crash(const std::filesystem::path& run, int64_t steps);
/// What write_crash() left; none: the run did not crash.
std::optional<Scene> crash_scene(const std::filesystem::path& run);

}  // namespace matmix::experiments
