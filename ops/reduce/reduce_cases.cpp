#include "ops/common/cases.h"
#include "ops/reduce/reduce.h"

namespace matmix {
namespace {

using Reduction = Var (*)(const Var&, const std::vector<int>&, bool);

/// Reductions of [3, 4, 5]: all axes, one in each place, several, neighbours or not.
void add_reduction(std::vector<OpCase>& cases, const char* op, Reduction f, bool has_kinks = false) {
  const auto add = [&](const char* variant, std::vector<int> axes, bool keep_dims) {
    cases.push_back({op,
                     variant,
                     {{.name = "x", .shape = {3, 4, 5}, .strides = OpArgument::Strides::kAny, .is_spread = has_kinks}},
                     [=](const std::vector<Var>& in) { return std::vector{f(in[0], axes, keep_dims)}; }});
  };
  add("all", {}, false);
  add("first axis", {0}, false);
  add("middle axis, kept", {1}, true);
  add("last axis", {-1}, false);
  add("outer axes", {2, 0}, false);
  add("inner axes, kept", {1, 2}, true);
}

}  // namespace

std::vector<OpCase> reduce_cases() {
  std::vector<OpCase> cases;
  add_reduction(cases, "sum", sum);
  add_reduction(cases, "mean", mean);
  add_reduction(cases, "max", max, true);
  add_reduction(cases, "logsumexp", logsumexp);
  return cases;
}

}  // namespace matmix
