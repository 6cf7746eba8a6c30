#include "ops/common/cases.h"
#include "ops/topk/topk.h"

namespace matmix {

std::vector<OpCase> topk_cases() {
  const auto best = [](int64_t k) {
    return [k](const std::vector<Var>& x) { return std::vector{topk(x[0], k).values}; };
  };
  const auto spread_x = [](const Shape& shape) {
    return OpArgument{.name = "x", .shape = shape, .strides = OpArgument::Strides::kAny, .is_spread = true};
  };
  return {
      {.op = "topk", .variant = "3 of 7", .arguments = {spread_x({2, 7})}, .function = best(3)},
      {.op = "topk", .variant = "all", .arguments = {spread_x({2, 2, 3})}, .function = best(3)},
      {.op = "topk", .variant = "none", .arguments = {spread_x({4})}, .function = best(0)},
  };
}

}  // namespace matmix
