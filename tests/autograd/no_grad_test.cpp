#include "autograd/no_grad.h"

#include <cmath>

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "tests/autograd/tiny_ops.h"

namespace matmix::testing {
namespace {

TEST_CASE("NoGrad records nothing, WithGrad inside it records again, and both end with their scope") {
  const Var x = leaf(tensor({2}));
  {
    const NoGrad off;
    CHECK_FALSE(mul(x, x).requires_grad());
    {
      const WithGrad on;
      CHECK(mul(x, x).requires_grad());
      const NoGrad off_again;
      CHECK_FALSE(grad_enabled());
    }
    CHECK_FALSE(grad_enabled());
  }
  CHECK(mul(x, x).requires_grad());
}

TEST_CASE("the path follows its scopes") {
  CHECK(current_path() == "");
  {
    const PathScope encoder("encoder");
    const PathScope nameless("");
    const PathScope layer("layers.3");
    CHECK(current_path() == "encoder.layers.3");
    {
      const AtPath other("decoder");
      const PathScope norm("norm");
      CHECK(current_path() == "decoder.norm");
    }
    CHECK(current_path() == "encoder.layers.3");
  }
  CHECK(current_path() == "");
}

TEST_CASE("the tripwire names op, module path, tensor and first bad index") {
  const Var x = leaf(full({2, 2}, 1, DType::F64)), bad = from_vector<double>({1, 1, INFINITY, NAN}, {2, 2});
  const auto product = [&] {
    const PathScope path("net.mixer");
    return mul(x, bad);
  };
  CHECK_NOTHROW(product());
  const Tripwire on;
  CHECK(error_of(product) == "mul in net.mixer: output is inf at [1, 0]; F64 [2, 2] on CPU");
  const Tripwire off(false);
  CHECK_NOTHROW(product());
}

TEST_CASE("the tripwire sees gradients") {
  const Var x = leaf(tensor({1, 0}), "weight");
  const auto broken = [](Backward& g) { g.give(0, tensor({0, NAN})); };
  const auto in_place = [](Backward& g) { fill(*g.sum(0), INFINITY); };
  const PathScope path("net");
  const Var given = total(record("broken", {x}, x.value(), broken));
  const Var summed = total(record("broken", {x}, x.value(), in_place));
  const Tripwire on;
  CHECK(error_of([&] { backward(given); }) ==
        "backward of broken in net: tripwire: gradient of input 0 is nan at [1]; F64 [2] on CPU");
  x.leaf()->grad = zeros({2}, DType::F64);
  CHECK(error_of([&] { backward(summed); }) ==
        "backward of broken in net: tripwire: gradient of 'weight' is inf at [0]; F64 [2] on CPU");
}

}  // namespace
}  // namespace matmix::testing
