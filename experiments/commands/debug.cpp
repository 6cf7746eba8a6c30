#include <fmt/format.h>
#include <algorithm>

#include "experiments/commands/commands.h"
#include "experiments/crash.h"
#include "experiments/json_line.h"
#include "experiments/run_folder.h"

namespace matmix::experiments {
namespace {

struct Asked {
  int64_t step;  ///< from 0
  TensorFile state;
};

Asked find_step(const DebugOptions& options, const Config& config) {
  if (options.step > 0) return {options.step - 1, state_before(options.run, config, options.step - 1)};
  std::optional<TensorFile> state = crash_state(options.run);
  require(state.has_value(), options.run, "has no crash/; name a step with --step");
  const auto step = state->metadata.find("step");
  require(step != state->metadata.end(), options.run, "has a crash/ whose state tells no step");
  return {std::stoll(step->second), std::move(*state)};
}

void print_json(const char* what, const std::string& dtype, const std::vector<Range>& ranges) {
  for (const Range& r : ranges)
    JsonLine()
        .put("what", what)
        .put("dtype", dtype)
        .put("name", r.name)
        .put("min", r.min)
        .put("max", r.max)
        .put("rms", r.rms)
        .print();
}

/// Beside each range that of the same tensor in F64.
void print_table(const char* what, const std::vector<Range>& ranges, const std::vector<Range>& in_f64) {
  if (ranges.empty()) return;
  fmt::print("\n{:<48}{:>12}{:>12}{:>12}{:>14}\n", what, "min", "max", "rms", "rms in f64");
  for (size_t i = 0; i < ranges.size(); ++i) {
    const Range& r = ranges[i];
    const std::string beside = i < in_f64.size() ? fmt::format("{:.4g}", in_f64[i].rms) : "-";
    fmt::print("{:<48}{:>12.4g}{:>12.4g}{:>12.4g}{:>14}\n", r.name, r.min, r.max, r.rms, beside);
  }
}

std::string verdict(const StepTrace& trace) { return trace.first_bad.empty() ? "all finite" : trace.first_bad; }

}  // namespace

int run_debug(const DebugOptions& options) {
  Config config = config_of_run(options.run);
  if (!options.global.device.empty()) config.train.device = options.global.device;
  const Asked asked = find_step(options, config);
  Config exact = config;
  exact.train.dtype = "f64";
  const StepTrace trace = trace_step(config, asked.state, asked.step),
                  oracle = trace_step(exact, asked.state, asked.step);
  if (options.global.json) {
    JsonLine()
        .put("step", asked.step + 1)
        .put("dtype", config.train.dtype)
        .put("first_bad", trace.first_bad)
        .put("first_bad_in_f64", oracle.first_bad)
        .print();
    for (const auto& [dtype, t] : {std::pair{config.train.dtype, &trace}, std::pair{exact.train.dtype, &oracle}}) {
      print_json("activation", dtype, t->activations);
      print_json("gradient", dtype, t->gradients);
    }
  } else {
    fmt::print("step {}\n{}: {}\nf64: {}\n", asked.step + 1, config.train.dtype, verdict(trace), verdict(oracle));
    print_table("activation", trace.activations, oracle.activations);
    print_table("gradient", trace.gradients, oracle.gradients);
  }
  return trace.first_bad.empty() ? 0 : 1;
}

}  // namespace matmix::experiments
