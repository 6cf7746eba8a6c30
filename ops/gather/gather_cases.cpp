#include "ops/common/cases.h"
#include "ops/gather/gather.h"
#include "tensor/create.h"

namespace matmix {

std::vector<OpCase> gather_cases() {
  using Strides = OpArgument::Strides;
  const auto gathers = [](int axis, const std::vector<int64_t>& index, const Shape& shape) {
    return [=](const std::vector<Var>& x) {
      return std::vector{gather(x[0], axis, from_vector(index, shape, x[0].device()))};
    };
  };
  const auto scatters = [](int axis, const std::vector<int64_t>& index, const Shape& shape, int64_t n) {
    return [=](const std::vector<Var>& x) {
      const Tensor given = from_vector(index, shape, x[0].device()).expand(x[0].shape());
      return std::vector{scatter(x[0], axis, given, n)};
    };
  };
  return {
      {.op = "gather",
       .variant = "last axis",
       .arguments = {{"x", {2, 5}, -2, 2, Strides::kAny}},
       .function = gathers(-1, {4, 0, 4, 1, 1, 1, 0, 3}, {2, 4})},
      {.op = "gather",
       .variant = "middle axis",
       .arguments = {{"x", {2, 3, 2}, -2, 2, Strides::kAny}},
       .function = gathers(1, {2, 0, 1, 1}, {2, 1, 2})},
      {.op = "gather", .variant = "nothing", .arguments = {{"x", {2, 3}}}, .function = gathers(0, {}, {0, 3})},
      {.op = "scatter",
       .variant = "rows",
       .arguments = {{"x", {5, 3}, -2, 2, Strides::kAny}},
       .function = scatters(0, {2, 2, 0, 3, 2}, {5, 1}, 5)},
      {.op = "scatter",
       .variant = "middle axis",
       .arguments = {{"x", {2, 3, 2}, -2, 2, Strides::kAny}},
       .function = scatters(1, {0, 3, 0, 1, 2, 2, 1, 1, 1, 1, 0, 0}, {2, 3, 2}, 4)},
  };
}

}  // namespace matmix
