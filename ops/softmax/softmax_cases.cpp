#include "ops/common/cases.h"
#include "ops/softmax/softmax.h"

namespace matmix {
namespace {

using Function = Var (*)(const Var&, int);

OpCase along(const char* op, Function f, const char* variant, const Shape& shape, int axis) {
  return {op,
          variant,
          {{.name = "x", .shape = shape, .strides = OpArgument::Strides::kAny}},
          [=](const std::vector<Var>& in) { return std::vector{f(in[0], axis)}; }};
}

}  // namespace

std::vector<OpCase> softmax_cases() {
  std::vector<OpCase> cases;
  for (const auto& [op, f] : {std::pair<const char*, Function>{"softmax", softmax}, {"log_softmax", log_softmax}}) {
    cases.push_back(along(op, f, "last axis", {3, 4, 5}, -1));
    cases.push_back(along(op, f, "middle axis", {3, 4, 5}, 1));
    cases.push_back(along(op, f, "a long row", {1, 700}, 1));
    cases.push_back(along(op, f, "one element", {2, 1}, -1));
    cases.push_back(along(op, f, "no rows", {0, 3}, -1));
  }
  return cases;
}

}  // namespace matmix
