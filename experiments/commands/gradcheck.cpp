#include "autograd/gradcheck.h"

#include <fmt/core.h>
#include <algorithm>

#include "experiments/commands/commands.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "ops/common/cases.h"
#include "tensor/tolerance.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

/// The cases of the named ops, all without names; Error naming the known ops.
std::vector<OpCase> chosen_cases(const std::vector<std::string>& ops) {
  std::vector<OpCase> all = op_cases(), chosen;
  if (ops.empty()) return all;
  for (const std::string& op : ops) {
    const size_t before = chosen.size();
    std::ranges::copy_if(all, std::back_inserter(chosen), [&](const OpCase& c) { return c.op == op; });
    if (chosen.size() > before) continue;
    std::string known;
    for (size_t i = 0; i < all.size(); ++i)
      if (i == 0 || all[i].op != all[i - 1].op) known += text(known.empty() ? "" : ", ", all[i].op);
    fail("gradcheck", "op '", op, "' is not known; known are: ", known);
  }
  return chosen;
}

std::vector<GradError> check(const OpCase& c, Device device) {
  GradcheckOptions options;
  std::vector<Tensor> inputs;
  for (const OpArgument& a : c.arguments) options.names.push_back(a.name);
  for (const Tensor& x : c.draw()) inputs.push_back(to(x, device));
  return gradcheck(c.name(), c.function, inputs, options).arguments;
}

void print(const GradError& e, bool pass, bool json) {
  if (json) {
    JsonLine()
        .put("op", e.op)
        .put("argument", e.argument)
        .put("error", e.error)
        .put("index", e.index)
        .put("analytic", e.analytic)
        .put("numeric", e.numeric)
        .put("pass", pass)
        .print();
    return;
  }
  print_out("{:<52} {:<14} {:9.2e}  {}\n", e.op, e.argument, e.error, pass ? "ok" : "FAILED");
  if (!pass) print_out("    at {}: analytic {:.10g}, numeric {:.10g}\n", e.index, e.analytic, e.numeric);
}

}  // namespace

int run_gradcheck(const GradcheckCommandOptions& options) {
  const Device device = options.global.device_or(kCpu);
  require(options.global.mode_or(MathMode::kF64) == MathMode::kF64, "gradcheck",
          "--dtype must be f64: differences say nothing in lower precision");
  int64_t arguments = 0, failed = 0;
  double worst = 0;
  std::string worst_op = "none";
  for (const OpCase& c : chosen_cases(options.ops)) {
    for (const GradError& e : check(c, device)) {
      const bool pass = e.error <= kGradcheck;  // a NaN is no pass
      print(e, pass, options.global.json);
      ++arguments;
      failed += !pass;
      if (e.error <= worst) continue;
      worst = e.error;
      worst_op = e.op + ", " + e.argument;
    }
  }
  if (!options.global.json)
    print_out("{} arguments on {}, {} above {:g}; worst {:.2e} ({})\n", arguments, to_string(device), failed,
              kGradcheck, worst, worst_op);
  return failed == 0 ? 0 : 1;
}

}  // namespace matmix::experiments
