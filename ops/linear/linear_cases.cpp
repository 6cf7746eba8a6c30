#include "ops/common/cases.h"
#include "ops/linear/linear.h"

namespace matmix {
namespace {

OpCase with_bias(const char* variant, Activation act, const Shape& lead = {2, 3}) {
  return {"linear",
          variant,
          {{"x", lead + Shape{5}}, {"weight", {4, 5}}, {.name = "bias", .shape = {4}, .is_master = true}},
          [act](const std::vector<Var>& in) { return std::vector{linear(in[0], in[1], {.bias = in[2], .act = act})}; }};
}

OpCase without_bias(const char* variant, Activation act) {
  return {"linear", variant, {{"x", {7, 5}}, {"weight", {4, 5}}}, [act](const std::vector<Var>& in) {
            return std::vector{linear(in[0], in[1], {.act = act})};
          }};
}

}  // namespace

std::vector<OpCase> linear_cases() {
  return {
      without_bias("plain", Activation::kNone),
      without_bias("silu", Activation::kSilu),
      with_bias("bias", Activation::kNone),
      with_bias("bias, one vector", Activation::kNone, {}),
      with_bias("bias, no rows", Activation::kNone, {2, 0}),
      with_bias("bias, relu", Activation::kRelu),
      with_bias("bias, silu", Activation::kSilu),
      with_bias("bias, gelu", Activation::kGelu),
      with_bias("bias, tanh", Activation::kTanh),
  };
}

}  // namespace matmix
