#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "experiments/config.h"
#include "tensor/safetensors.h"

namespace matmix::experiments {

/// The size of the numbers of one tensor.
struct Range {
  std::string name;  ///< module path and what it is
  double min = 0, max = 0, rms = 0;
};

/// One step watched: every value an op makes and every gradient is looked at.
struct StepTrace {
  std::string first_bad;  ///< op, module path, tensor and index of the first value that is not finite; "": none
  std::vector<Range> activations;  ///< in the order of the forward pass, up to the first bad value
  std::vector<Range> gradients;    ///< of parameters; empty if the forward pass did not end

  /// What the last residual stream was like, in words; "" if none was reached.
  std::string stream() const;
};

/// Step `step` (from 0) of a run, from the state before it, in the config's dtype.
StepTrace trace_step(const Config& config, const TensorFile& state, int64_t step);

/// The state of a run before step `step`, found again from its newest checkpoint that is not later, or from the start.
TensorFile state_before(const std::filesystem::path& run, const Config& config, int64_t step);

/// What crash/ in a run's folder holds:
///   state.safetensors   everything the step depends on, before it; metadata: step
///   batch.safetensors   its ids, positions and labels, and its runs [runs, 3]: row, start, length
///   report.json         step, what was the first bad value, the range of the residual stream
/// Random bits are a function of config and step.
struct Crash {
  int64_t step = 0;
  StepTrace trace;
};
/// Goes over the steps since the last checkpoint again, up to `steps`, to the first whose loss or gradient is not
/// finite, and writes crash/.
Crash write_crash(const std::filesystem::path& run, const Config& config, int64_t steps);
/// The state that write_crash() left; none: the run did not crash.
std::optional<TensorFile> crash_state(const std::filesystem::path& run);

}  // namespace matmix::experiments
