#include "autograd/node.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "autograd/no_grad.h"
#include "tests/autograd/tiny_ops.h"
#include "tests/support/devices.h"

namespace matmix::testing {
namespace {

using Values = std::vector<double>;

TEST_CASE("a node of several outputs runs once, and outputs that nothing used are undefined") {
  for (const Device device : test_devices()) SUBCASE(to_string(device).c_str()) {
      const Var x = leaf(tensor({2, 3}, DType::F64, device));
      SUBCASE("all used") {
        const auto y = powers(x);
        backward(total(add(y[0], y[1])));
        CHECK(values(x.grad()) == Values{2 * 2 + 3 * 4, 2 * 3 + 3 * 9});
      }
      SUBCASE("the first alone") {
        backward(total(powers(x)[0]));
        CHECK(values(x.grad()) == Values{4, 6});
      }
      SUBCASE("the second alone") {
        backward(total(powers(x)[1]));
        CHECK(values(x.grad()) == Values{12, 27});
      }
    }
}

TEST_CASE("a closure without any upstream gradient does not run") {
  const Var x = leaf(tensor({2, 3}));
  const Var unused = record("unused", {x}, x.value(), [](Backward&) { FAIL("ran without a gradient"); });
  const Var y = record("first_only", {x, unused}, x.value(), [](Backward& g) { g.give(0, g.dy()); });
  backward(total(y));
  CHECK(values(x.grad()) == Values{1, 1});
}

TEST_CASE("changing a saved tensor in place is an error that names op, path and tensor") {
  const Var x = leaf(tensor({2, 3})), y = leaf(tensor({4, 5}));
  Var z;
  {
    const PathScope path("net");
    z = total(mul(x, y));
  }
  fill(y.value(), 1);
  const uint64_t now = y.value().version();
  CHECK(
      error_of([&] { backward(z); }) ==
      text("backward of mul in net: 'b' (F64 [2] on CPU) was changed in place after it was kept for backward: version "
           "must be ",
           now - 1, ", got ", now));
}

TEST_CASE("gradients of sibling views land in one buffer") {
  for (const Device device : test_devices()) SUBCASE(to_string(device).c_str()) {
      const Var x = leaf(tensor({1, 2, 3, 4}, DType::F64, device));
      const Var y = mul(x, x);
      SUBCASE("both used, one of them twice") {
        const auto h = halves(y);
        backward(total(add(mul(h[0], h[1]), h[0])));
        CHECK(values(x.grad()) == Values{2 * 1 * (9 + 1), 2 * 2 * (16 + 1), 2 * 3 * 1, 2 * 4 * 4});
      }
      SUBCASE("one twice in one op") {
        const auto h = halves(y);
        backward(total(add_thrice(h[1], h[1])));
        CHECK(values(x.grad()) == Values{0, 0, 4 * 2 * 3, 4 * 2 * 4});
      }
      SUBCASE("one alone, as root, twice") {
        const auto h = halves(y);
        backward(h[1], {.seed = tensor({1, 10}, DType::F64, device), .keep_graph = true});
        CHECK(values(x.grad()) == Values{0, 0, 6, 80});
        backward(h[1], {.seed = tensor({1, 10}, DType::F64, device)});
        CHECK(values(x.grad()) == Values{0, 0, 12, 160});
      }
      SUBCASE("the target is a view of the buffer") {
        const auto h = halves(y);
        Tensor place;
        const Var z = record("probe", {h[1]}, h[1].value(), [&](Backward& g) {
          place = g.target(0);
          copy(place, g.dy());
          g.give(0, place);
        });
        backward(total(z));
        CHECK(place.use_count() == 1);
        CHECK(place.numel() == 2);
        CHECK(values(x.grad()) == Values{0, 0, 6, 8});
      }
    }
}

TEST_CASE("one gradient handed to two inputs is not changed through either") {
  const Var x = leaf(tensor({1, 2})), y = leaf(tensor({3, 4}));
  const Var a = same(x), b = same(y);
  const Var late = mul(a, b);
  const Tensor seed = tensor({1, 1});
  backward(add(add(a, b), late), {.seed = seed});
  CHECK(values(seed) == Values{1, 1});
  CHECK(values(x.grad()) == Values{1 + 3, 1 + 4});
  CHECK(values(y.grad()) == Values{1 + 1, 1 + 2});
}

TEST_CASE("a gradient of stride 0 can be added to") {
  const Var x = leaf(tensor({1, 2}));
  const Var a = same(x);
  const Var product = mul(a, a), seven = full({}, 7, DType::F64);
  backward(add(mul(total(a), seven), total(product)));
  CHECK(values(x.grad()) == Values{2 + 7, 4 + 7});
}

TEST_CASE("give sums a gradient back over broadcast axes and refuses other shapes") {
  const Var x = leaf(full({2, 1}, 3, DType::F64));
  const auto repeated = [&](const Shape& shape) {
    const Tensor y = full({2, 3}, 0, DType::F64);
    return record("wide", {x}, y, [shape](Backward& g) { g.give(0, full(shape, 1, DType::F64)); });
  };
  backward(total(repeated({2, 3})));
  CHECK(values(x.grad()) == Values{3, 3});
  CHECK(x.grad().shape() == x.shape());
  CHECK(error_of([&] {
          backward(total(repeated({1, 1})));
        }) ==
        "backward of wide: wide: gradient of input 0 must have shape [2, 1] or one it was broadcast to, got [1, 1]");
  const Var undefined = record("none", {x}, x.value(), [](Backward& g) { g.give(0, Tensor()); });
  CHECK(error_of([&] { backward(total(undefined)); }) == "backward of none: none: gradient of input 0 must be defined");
}

TEST_CASE("needs, target and sum of an input without gradient") {
  const Var x = leaf(tensor({1})), constant = tensor({2});
  const Var y = record("probe", {x, constant, Var()}, x.value(), [](Backward& g) {
    CHECK(g.needs(0));
    CHECK_FALSE(g.needs(1));
    CHECK_FALSE(g.needs(2));
    CHECK_FALSE(g.target(1).defined());
    CHECK_FALSE(g.sum(1).has_value());
    g.give(1, g.dy());
  });
  backward(y);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("outputs that are not floating or undefined carry no history") {
  const Var x = leaf(tensor({1, 2}));
  const auto y =
      record("mixed", {x}, {x.value(), arange(2, DType::I64), Tensor()}, [](Backward& g) { g.give(0, g.dy(0)); });
  CHECK(y[0].requires_grad());
  CHECK_FALSE(y[1].requires_grad());
  CHECK_FALSE(y[2].defined());
}

TEST_CASE("record makes constants where no input wants a gradient") {
  CHECK_FALSE(mul(tensor({1}), tensor({2})).requires_grad());
  CHECK(mul(tensor({1}), leaf(tensor({2}))).requires_grad());
}

TEST_CASE("a million nodes die without recursion and without a leak") {
  constexpr int kNodes = 1'000'000;
  const Var x = leaf(tensor({1}));
  std::weak_ptr<Node> first;
  const auto chain = [&](auto step) {
    Var y = same(x);
    first = y.node();
    for (int i = 1; i < kNodes; ++i) y = step(y);
    CHECK_FALSE(first.expired());
  };
  SUBCASE("a chain") { chain(same); }
  SUBCASE("every node used twice by the next") {
    chain([](const Var& y) { return record("both", {y, y}, y.value(), [](Backward&) {}); });
  }
  CHECK(first.expired());
}

}  // namespace
}  // namespace matmix::testing
