#include <fmt/format.h>
#include <algorithm>

#include "experiments/commands/commands.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/runs/run_folder.h"
#include "experiments/train/crash.h"

namespace matmix::experiments {
namespace {

Scene find_scene(const DebugOptions& options, const Config& config) {
  require(options.step <= config.train.steps, "debug", "--step must be at most ", config.train.steps,
          ", the steps of the run, got ", options.step);
  if (options.step > 0) return {{options.step - 1, {}}, state_before(options.run, config, options.step - 1)};
  std::optional<Scene> scene = crash_scene(options.run);
  require(scene.has_value(), options.run, "has no crash/; name a step with --step");
  return std::move(*scene);
}

void print_json(const char* what, const std::string& dtype, const std::vector<Range>& ranges) {
  for (const Range& r : ranges) {
    if (r.name.empty()) continue;
    JsonLine()
        .put("what", what)
        .put("dtype", dtype)
        .put("name", r.name)
        .put("min", r.min)
        .put("max", r.max)
        .put("rms", r.rms)
        .print();
  }
}

/// Beside each range that of the same tensor in F64.
void print_table(const char* what, const std::vector<Range>& ranges, const std::vector<Range>& in_f64) {
  if (std::ranges::all_of(ranges, &std::string::empty, &Range::name)) return;
  print_out("\n{:<48}{:>12}{:>12}{:>12}{:>14}\n", what, "min", "max", "rms", "rms in f64");
  for (size_t i = 0; i < ranges.size(); ++i) {
    const Range& r = ranges[i];
    if (r.name.empty()) continue;
    const std::string beside =
        i < in_f64.size() && !in_f64[i].name.empty() ? fmt::format("{:.4g}", in_f64[i].rms) : "-";
    print_out("{:<48}{:>12.4g}{:>12.4g}{:>12.4g}{:>14}\n", r.name, r.min, r.max, r.rms, beside);
  }
}

std::string verdict(const StepTrace& trace) { return trace.first_bad.empty() ? "all finite" : trace.first_bad; }

}  // namespace

int run_debug(const DebugOptions& options) {
  Config config = config_of_run(options.run);
  if (!options.global.device.empty()) config.train.device = options.global.device;
  const Scene scene = find_scene(options, config);
  Config exact = config;
  exact.train.dtype = "f64";
  const StepTrace trace = trace_scene(config, scene), oracle = trace_scene(exact, scene);
  if (options.global.json) {
    JsonLine line;
    put(line, scene.moment);
    line.put("dtype", config.train.dtype)
        .put("first_bad", trace.first_bad)
        .put("first_bad_in_f64", oracle.first_bad)
        .print();
    for (const auto& [dtype, t] : {std::pair{config.train.dtype, &trace}, std::pair{exact.train.dtype, &oracle}}) {
      print_json("activation", dtype, t->activations);
      print_json("activation_gradient", dtype, t->activation_gradients);
      print_json("gradient", dtype, t->gradients);
    }
  } else {
    print_out("{}\n{}: {}\nf64: {}\n", to_string(scene.moment), config.train.dtype, verdict(trace), verdict(oracle));
    print_table("activation", trace.activations, oracle.activations);
    print_table("gradient of an activation", trace.activation_gradients, oracle.activation_gradients);
    print_table("gradient of a parameter", trace.gradients, oracle.gradients);
  }
  return trace.first_bad.empty() ? 0 : 1;
}

}  // namespace matmix::experiments
