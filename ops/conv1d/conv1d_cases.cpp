#include "ops/common/cases.h"
#include "ops/conv1d/conv1d.h"

namespace matmix {
namespace {

OpCase conv_case(const std::string& variant, int64_t width, const Conv1dOptions& options, bool with_bias,
                 const Shape& x = {2, 6, 5}) {
  std::vector<OpArgument> arguments{{"x", x, -2, 2}, {"weight", {x[2], width}, -1, 1}};
  arguments[1].is_master = true;
  if (with_bias) {
    arguments.push_back({"bias", {x[2]}, -1, 1});
    arguments[2].is_master = true;
  }
  return {.op = "conv1d", .variant = variant, .arguments = arguments, .function = [=](const std::vector<Var>& in) {
            Conv1dOptions o = options;
            if (with_bias) o.bias = in[2];
            return std::vector{conv1d(in[0], in[1], o)};
          }};
}

}  // namespace

std::vector<OpCase> conv1d_cases() {
  return {
      conv_case("centred, bias, silu", 3, {.act = Activation::kSilu}, true),
      conv_case("causal, some channels acted", 4, {.act = Activation::kSilu, .act_channels = 3, .causal = true}, true),
      conv_case("width 7, relu, no bias", 7, {.act = Activation::kRelu}, false, {2, 9, 3}),
      conv_case("causal, width 2, padded", 2,
                {.act = Activation::kSilu, .causal = true, .runs = Runs::of_lengths(6, {4, 0})}, true),
      conv_case("wider than the sequence", 9, {}, false),
      conv_case("width 1, one token", 1, {.act = Activation::kGelu}, true, {1, 1, 3}),
      conv_case("padded and packed", 3,
                {.act = Activation::kTanh, .runs = Runs::of(2, 6, {{0, 0, 2}, {0, 2, 3}, {1, 1, 5}})}, true),
      conv_case("no tokens", 3, {}, true, {2, 0, 3}),
  };
}

}  // namespace matmix
