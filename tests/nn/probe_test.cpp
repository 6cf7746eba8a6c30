#include "nn/probe.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "autograd/no_grad.h"
#include "ops/elementwise/elementwise.h"
#include "ops/reduce/reduce.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

using namespace matmix;

TEST_CASE("a probe collects values by module path, the innermost one only") {
  const Var x = zeros({1}, DType::F32);
  nn::probe("lost", x);
  const nn::Probe outer;
  {
    const PathScope scope("layer");
    nn::probe("v", x);
    const nn::Probe inner;
    nn::probe("w", x);
    CHECK(inner.values().size() == 1);
  }
  nn::probe("top", x);
  REQUIRE(outer.values().size() == 2);
  CHECK(outer.values()[0].first == "layer.v");
  CHECK(outer.values()[1].first == "top");
}

TEST_CASE("a probe collects gradients on the way back, and changes none") {
  const auto gradient_of = [](const Var& x) {
    const Var y = nn::probe("y", x * x), unused = nn::probe("unused", x * x);
    backward(sum(y * y + y));
    return to_vector<double>(x.grad());
  };
  const Tensor values = from_vector<double>({1, -2, 3});
  const std::vector<double> plain = gradient_of(leaf(values));
  const nn::Probe probe;
  CHECK(gradient_of(leaf(values)) == plain);
  REQUIRE(probe.gradients().size() == 2);
  CHECK(to_vector<double>(probe.gradients()[0]) == std::vector<double>{3, 9, 19});  // 2 y + 1
  CHECK_FALSE(probe.gradients()[1].defined());
  const NoGrad no_history;
  CHECK_FALSE(nn::probe("y", leaf(values)).requires_grad());
}

TEST_CASE("a graph that outlives its probe still walks back") {
  const Var x = leaf(from_vector<double>({2}));
  Var y;
  {
    const nn::Probe probe;
    y = nn::probe("x", x) * x;
  }
  backward(y);
  CHECK(to_vector<double>(x.grad()) == std::vector<double>{4});
}
