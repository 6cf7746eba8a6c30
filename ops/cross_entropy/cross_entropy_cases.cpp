#include "ops/common/cases.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "tensor/create.h"

namespace matmix {

std::vector<OpCase> cross_entropy_cases() {
  const auto loss = [](const std::vector<int64_t>& targets, double scale) {
    return [=](const std::vector<Var>& x) {
      const Device device = x[0].device();
      const Tensor scales = scale > 0 ? full({1}, scale, DType::F64, device) : Tensor();
      return std::vector{cross_entropy(x[0], from_vector(targets, {x[0].dim(0)}, device), {.scale = scales}).loss};
    };
  };
  const std::vector<OpArgument> logits{{"logits", {4, 7}}};
  return {
      {.op = "cross_entropy", .variant = "mean", .arguments = logits, .function = loss({6, 0, 3, 3}, 0)},
      {.op = "cross_entropy", .variant = "ignored rows", .arguments = logits, .function = loss({-100, 5, -100, 1}, 0)},
      {.op = "cross_entropy",
       .variant = "nothing counts",
       .arguments = logits,
       .function = loss({-100, -100, -100, -100}, 0)},
      {.op = "cross_entropy", .variant = "scaled", .arguments = logits, .function = loss({1, 2, 0, -100}, 0.3)},
      {.op = "cross_entropy", .variant = "one class", .arguments = {{"logits", {2, 1}}}, .function = loss({0, 0}, 0)},
  };
}

}  // namespace matmix
