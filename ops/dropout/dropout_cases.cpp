#include "ops/common/cases.h"
#include "ops/dropout/dropout.h"
#include "tensor/create.h"

namespace matmix {

std::vector<OpCase> dropout_cases() {
  return {{"dropout", "", {{"x", {5, 7}, -2, 2, OpArgument::Strides::kAny}}, [](const std::vector<Var>& in) {
             return std::vector{dropout(in[0], 0.3, 1, 2, zeros({1}, DType::I64, in[0].device()))};
           }}};
}

}  // namespace matmix
