#include "ops/common/cases.h"
#include "ops/elementwise/elementwise.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

using Strides = OpArgument::Strides;
using Unary = Var (*)(const Var&);
using Binary = Var (*)(const Var&, const Var&);

OpCase unary(const char* op, Unary f, double low = -3, double high = 3) {
  return {op, "", {{"x", {3, 5}, low, high, Strides::kAny}}, [f](const std::vector<Var>& in) {
            return std::vector{f(in[0])};
          }};
}

OpCase binary(const char* op, const char* variant, Binary f, const Shape& a, const Shape& b, double low, double high,
              bool has_kinks) {
  return {op,
          variant,
          {{"a", a, low, high, Strides::kAny, false, has_kinks}, {"b", b, low, high, Strides::kAny, false, has_kinks}},
          [f](const std::vector<Var>& in) { return std::vector{f(in[0], in[1])}; }};
}

/// Every way in which shapes meet.
void add_binary(std::vector<OpCase>& cases, const char* op, Binary f, double low = -3, double high = 3,
                bool has_kinks = false) {
  cases.push_back(binary(op, "same shape", f, {3, 5}, {3, 5}, low, high, has_kinks));
  cases.push_back(binary(op, "row", f, {3, 5}, {5}, low, high, has_kinks));
  cases.push_back(binary(op, "column", f, {3, 1}, {3, 5}, low, high, has_kinks));
  cases.push_back(binary(op, "scalar", f, {3, 5}, {}, low, high, has_kinks));
  cases.push_back(binary(op, "both", f, {2, 1, 3}, {4, 1}, low, high, has_kinks));
}

/// A Bool tensor of which every third element is true.
Tensor thirds(const Shape& shape, Device device) {
  std::vector<uint8_t> values;
  for (int64_t i = 0; i < shape.numel(); ++i) values.push_back(i % 3 == 0);
  return to(cast(from_vector(values, shape), DType::Bool), device);
}

OpCase choice(const char* variant, const Shape& condition, const Shape& a, const Shape& b) {
  return {
      "where",
      variant,
      {{"a", a, -2, 2, Strides::kAny}, {"b", b, -2, 2, Strides::kAny}},
      [=](const std::vector<Var>& in) { return std::vector{where(thirds(condition, in[0].device()), in[0], in[1])}; }};
}

}  // namespace

std::vector<OpCase> elementwise_cases() {
  std::vector<OpCase> cases{
      unary("neg", neg),
      unary("exp", exp),
      unary("log", log, 0.2, 3),
      unary("sqrt", sqrt, 0.2, 3),
      unary("rsqrt", rsqrt, 0.3, 3),
      unary("square", square),
      unary("reciprocal", reciprocal, 0.4, 3),
      unary("abs", abs),
      unary("sin", sin),
      unary("cos", cos),
      unary("tanh", tanh),
      unary("sigmoid", sigmoid),
      unary("softplus", softplus),
      unary("relu", relu),
      unary("silu", silu),
      unary("gelu", gelu),
      unary("affine", [](const Var& x) { return affine(x, -1.5, 0.25); }),
      choice("same shape", {3, 4}, {3, 4}, {3, 4}),
      choice("everything broadcasts", {4, 1}, {3}, {2, 1, 1}),
  };
  add_binary(cases, "add", add);
  add_binary(cases, "sub", sub);
  add_binary(cases, "mul", mul);
  add_binary(cases, "div", div, 0.5, 3);
  add_binary(cases, "maximum", maximum, -3, 3, true);
  add_binary(cases, "minimum", minimum, -3, 3, true);
  add_binary(cases, "glu", glu);
  for (const Activation act : {Activation::kRelu, Activation::kSilu, Activation::kGelu, Activation::kTanh})
    cases.push_back({"gated",
                     std::string(to_string(act)),
                     {{"a", {3, 5}, -3, 3, Strides::kAny}, {"b", {3, 5}, -3, 3, Strides::kAny}},
                     [act](const std::vector<Var>& in) { return std::vector{gated(in[0], in[1], act)}; }});
  cases.push_back(unary("activate", [](const Var& x) { return activate(x, Activation::kSilu); }));
  // Of a result, so that there is a gradient where the dtype is that already.
  cases.push_back(unary("cast", [](const Var& x) { return cast(affine(x, 2), DType::F64); }));
  return cases;
}

}  // namespace matmix
