#include "experiments/replay/replay.h"

#include <fmt/core.h>

#include "experiments/commands/commands.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"

namespace matmix::experiments {
namespace {

/// Whether every tensor of one file agrees.
bool report(const std::string& path, const std::vector<ReplayError>& errors, double tolerance, bool json) {
  bool all = true;
  if (!json) print_out("{}\n", path);
  for (const ReplayError& e : errors) {
    const bool pass = e.error <= tolerance;  // a NaN is no pass
    all = all && pass;
    if (json)
      JsonLine()
          .put("file", path)
          .put("tensor", e.tensor)
          .put("error", e.error)
          .put("tolerance", tolerance)
          .put("pass", pass)
          .print();
    else
      print_out("  {:<34} {:9.2e}  {}\n", e.tensor, e.error, pass ? "ok" : "FAILED");
  }
  return all;
}

}  // namespace

int run_replay(const ReplayOptions& options) {
  const MathMode mode = options.global.mode_or(MathMode::kF64);
  const Device device = options.global.device_or(kCpu);
  const double tolerance = replay_tolerance(mode);
  if (!options.global.json)
    print_out("relative error of every tensor, {} on {}, at most {:g} allowed\n", to_string(mode), to_string(device),
              tolerance);
  bool all = true;
  for (const std::string& path : options.files) {
    const TensorFile file = read_safetensors(path);
    std::vector<ReplayError> errors;
    try {
      errors = replay(file, mode, device);
    } catch (const Error& error) {
      fail(path, error.what());
    }
    all = report(path, errors, tolerance, options.global.json) && all;
  }
  return all ? 0 : 1;
}

}  // namespace matmix::experiments
