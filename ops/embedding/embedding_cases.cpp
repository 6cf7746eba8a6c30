#include "ops/common/cases.h"
#include "ops/embedding/embedding.h"
#include "tensor/create.h"

namespace matmix {

std::vector<OpCase> embedding_cases() {
  const auto rows = [](const std::vector<int64_t>& ids, const Shape& shape) {
    return
        [=](const std::vector<Var>& x) { return std::vector{embedding(x[0], from_vector(ids, shape, x[0].device()))}; };
  };
  return {
      {.op = "embedding",
       .variant = "repeated ids",
       .arguments = {{"table", {5, 3}}},
       .function = rows({4, 0, 4, 1, 4, 0}, {2, 3})},
      {.op = "embedding", .variant = "one id", .arguments = {{"table", {2, 8}}}, .function = rows({1}, {})},
      {.op = "embedding", .variant = "no ids", .arguments = {{"table", {2, 8}}}, .function = rows({}, {0})},
  };
}

}  // namespace matmix
