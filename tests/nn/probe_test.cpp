#include "nn/probe.h"

#include <doctest/doctest.h>

#include "autograd/no_grad.h"
#include "tensor/create.h"

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
