#include "autograd/gradcheck.h"

#include <cmath>

#include <doctest/doctest.h>

#include "tensor/tolerance.h"
#include "tests/autograd/tiny_ops.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

using Outputs = std::vector<Var>;

/// sin(x) whose gradient is multiplied by `wrong(i)`.
template <class F>
Var sine(const Var& x, F wrong) {
  const Saved kept(x.value(), "x");
  const auto value = [](double v, double) { return std::sin(v); };
  return record("sine", {x}, zip(x.value(), x.value(), value), [kept, wrong](Backward& g) {
    std::vector<double> dx = values(zip(g.dy(), kept, [](double dy, double v) { return dy * std::cos(v); }));
    for (size_t i = 0; i < dx.size(); ++i) dx[i] *= wrong(i);
    g.give(0, from_vector(dx, kept.get().shape()));
  });
}
double right(size_t) { return 1; }

TEST_CASE("right gradients pass, element by element and along random directions") {
  for (const Device device : test_devices()) SUBCASE(to_string(device).c_str()) {
      const auto f = [](const Outputs& in) {
        const auto p = powers(mul(in[0], in[1]));
        return Outputs{add(p[0], in[1]), total(p[1])};
      };
      const std::vector<Tensor> inputs{random_tensor({3, 4}, 1, DType::F64, device),
                                       random_tensor({3, 4}, 2, DType::F64, device)};
      const auto full = gradcheck("f", f, inputs, {.names = {"x", "scale"}});
      CHECK(full.worst() <= kGradcheck);
      CHECK(full.arguments.size() == 2);
      CHECK(full.arguments[1].argument == "scale");
      CHECK(full.worst() > 0);
      const auto projected = gradcheck("f", f, inputs, {.full_up_to = 5});
      CHECK(projected.worst() <= kGradcheck);
      CHECK(projected.arguments[0].index.starts_with("direction "));
      CHECK(projected.arguments[0].argument == "input 0");
    }
}

TEST_CASE("steps grow with the values") {
  const Tensor large = tensor({1e6, -3e5});
  CHECK(gradcheck("powers", [](const Outputs& in) { return powers(in[0]); }, {large}).worst() <= kGradcheck);
}

TEST_CASE("a planted error is found and named") {
  const auto off_at_3 = [](size_t i) { return i == 3 ? 1.01 : 1; };
  const auto f = [&](const Outputs& in) { return Outputs{mul(sine(in[0], off_at_3), in[1])}; };
  const std::vector<Tensor> inputs{full({2, 3}, 0.5, DType::F64), full({2, 3}, 2, DType::F64)};
  const auto report = gradcheck("f", f, inputs, {.names = {"x", "y"}});
  const GradError& e = report.arguments[0];
  CHECK(e.op == "f");
  CHECK(e.argument == "x");
  CHECK(e.index == "[1, 0]");
  CHECK(e.analytic == doctest::Approx(1.01 * e.numeric).epsilon(1e-9));
  CHECK(e.error > 1e-4);
  CHECK(e.error < 0.0101);
  CHECK(report.arguments[1].error <= kGradcheck);
  CHECK(report.worst() == e.error);
  CHECK(gradcheck("f", f, inputs, {.full_up_to = 1}).arguments[0].error > 1e-4);
}

TEST_CASE("a gradient that is missing or not a number is an error") {
  const std::vector<Tensor> inputs{random_tensor({4}, 1)};
  const auto cut = gradcheck(
      "cut", [](const Outputs& in) { return Outputs{in[0].detach()}; }, inputs);
  CHECK(cut.worst() == doctest::Approx(1));
  const auto nan_at_2 = [](size_t i) { return i == 2 ? NAN : 1; };
  const auto nan = gradcheck(
      "nan", [&](const Outputs& in) { return Outputs{sine(in[0], nan_at_2)}; }, inputs);
  CHECK(nan.arguments[0].index == "[2]");
  CHECK(nan.worst() == INFINITY);
}

TEST_CASE("an argument without influence and one without elements pass") {
  const auto f = [](const Outputs& in) { return Outputs{sine(in[0], right)}; };
  const auto report = gradcheck("f", f, {random_tensor({4}, 1), random_tensor({3}, 2), empty({0, 2}, DType::F64)});
  CHECK(report.arguments[1].error == 0);
  CHECK(report.arguments[2].index == "none");
  CHECK(report.worst() <= kGradcheck);
}

TEST_CASE("gradients of other bits in a second run are an error") {
  int runs = 0;
  const auto drifting = [&](size_t i) { return i == 1 && runs == 2 ? 1 + 0x1p-52 : 1; };
  const auto f = [&](const Outputs& in) {
    if (in[0].requires_grad()) ++runs;
    return Outputs{sine(in[0], drifting)};
  };
  const auto report = gradcheck("f", f, {full({2}, 0.5, DType::F64)});
  CHECK(report.arguments[0].index == "[1] of two runs");
  CHECK(report.worst() == INFINITY);
}

TEST_CASE("outputs that carry no gradient are left out") {
  const auto f = [](const Outputs& in) { return Outputs{Var(arange(2, DType::I64)), Var(), sine(in[0], right)}; };
  CHECK(gradcheck("f", f, {random_tensor({4}, 1)}).worst() <= kGradcheck);
}

TEST_CASE("only F64 is checked") {
  const auto f = [](const Outputs& in) { return in; };
  CHECK(error_of([&] { gradcheck("f", f, {tensor({1}, DType::F32)}); }) ==
        "gradcheck: inputs of f must be F64, got F32 [1] on CPU");
  const auto rounding = [](const Outputs&) { return Outputs{tensor({1}, DType::F32)}; };
  CHECK(error_of([&] { gradcheck("f", rounding, {tensor({1})}); }) ==
        "gradcheck: outputs of f must be F64, got F32 [1] on CPU");
}

TEST_CASE("the report is a table") {
  const GradcheckReport report{{{"conv1d", "x", "[1, 0]", 0.5, 0.25, 0.125}, {"conv1d", "weight", "none"}}};
  CHECK(report.text() ==
        "op      argument  index                 analytic                 numeric      error\n"
        "conv1d  x         [1, 0]   5.000000000000000e-01   2.500000000000000e-01   1.25e-01\n"
        "conv1d  weight    none     0.000000000000000e+00   0.000000000000000e+00   0.00e+00\n");
}

}  // namespace
}  // namespace matmix::testing
