#include "autograd/backward.h"

#include <doctest/doctest.h>

#include "autograd/no_grad.h"
#include "tensor/compare.h"
#include "tests/autograd/tiny_ops.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

using Values = std::vector<double>;

TEST_CASE("a diamond sums what comes along both sides") {
  for (const Device device : test_devices()) SUBCASE(to_string(device).c_str()) {
      for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
        const Var x = leaf(tensor({2, -3}, dtype, device));
        const Var y = mul(x, x);
        backward(total(mul(add(y, x), y)));  // x^4 + x^3
        CHECK(values(x.grad()) == Values{4 * 8 + 3 * 4, 4 * -27 + 3 * 9});
        CHECK(x.grad().dtype() == dtype);
        CHECK(x.grad().device() == device);
      }
    }
}

TEST_CASE("the same graph gives the same bits") {
  const auto gradient = [] {
    const Var x = leaf(random_tensor({37}, 1, DType::F32));
    Var y = x;
    for (int i = 0; i < 5; ++i) y = mul(add(y, x), powers(x)[static_cast<size_t>(i % 2)]);
    backward(total(y));
    return x.grad();
  };
  CHECK(same_bits(gradient(), gradient()));
}

TEST_CASE("a million nodes are walked without recursion") {
  const Var x = leaf(tensor({1, 2}));
  Var y = x;
  for (int i = 0; i < 1'000'000; ++i) y = same(y);
  backward(total(y));
  CHECK(values(x.grad()) == Values{1, 1});
}

TEST_CASE("gradients are added up from walk to walk") {
  const Var x = leaf(tensor({1, 2}));
  backward(total(mul(x, x)));
  backward(total(x));
  CHECK(values(x.grad()) == Values{3, 5});
}

TEST_CASE("a leaf's gradient is its own tensor") {
  const Var x = leaf(tensor({1, 2})), y = leaf(tensor({3, 4}));
  const Tensor seed = tensor({1, 1});
  backward(add(x, y), {.seed = seed});
  backward(add(x, y), {.seed = seed});
  CHECK(values(seed) == Values{1, 1});
  CHECK(values(x.grad()) == Values{2, 2});
  CHECK_FALSE(x.grad().shares_storage_with(y.grad()));
}

TEST_CASE("a buffer given from outside is added to in place, in its dtype") {
  for (const Device device : test_devices()) SUBCASE(to_string(device).c_str()) {
      const Tensor flat = full({6}, 10, DType::F32, device);
      const Var w = leaf(tensor({1, 2}, DType::BF16, device), "w", DType::F32);
      w.leaf()->grad = flat.narrow(0, 2, 2);
      const Var x = leaf(tensor({0.5, 3}, DType::BF16, device));
      const auto check_flat = [&](double a, double b) {
        CHECK(values(flat) == Values{10, 10, 10 + a, 10 + b, 10, 10});
      };
      SUBCASE("by give") {
        backward(total(mul(w, x)));
        check_flat(0.5, 3);
      }
      SUBCASE("by sum") {
        backward(total(add_thrice(x, w)));
        check_flat(3, 3);
      }
      SUBCASE("by sum, twice the same leaf in one op") {
        backward(total(add_thrice(w, w)));
        check_flat(4, 4);
      }
      SUBCASE("in more digits than the value has") {
        const Var y = mul(w, tensor({1 + 0x1p-7, 1}, DType::BF16, device));
        backward(total(add(y, mul(w, tensor({0x1p-8, 1}, DType::BF16, device)))));
        check_flat(1 + 0x1p-7 + 0x1p-8, 2);
      }
      CHECK(w.grad().same_view_as(flat.narrow(0, 2, 2)));
    }
}

TEST_CASE("a leaf states the dtype of its gradient") {
  const Var w = leaf(tensor({1, 2}, DType::BF16), "w", DType::F32);
  backward(total(mul(w, w)));
  CHECK(w.grad().dtype() == DType::F32);
  CHECK(values(w.grad()) == Values{2, 4});
}

TEST_CASE("a buffer that does not fit its leaf is refused by name") {
  const Var w = leaf(tensor({1, 2}), "weight"), x = leaf(tensor({3, 4}));
  w.leaf()->grad = zeros({1, 2}, DType::F64);
  const std::string rule = "gradient of 'weight' must be F64 [2] on CPU, got F64 [1, 2] on CPU";
  CHECK(error_of([&] { backward(total(mul(w, x))); }) == "backward of mul: mul: " + rule);
  CHECK(error_of([&] { backward(total(add_thrice(x, w))); }) == "backward of add_thrice: add_thrice: " + rule);
}

TEST_CASE("roots") {
  const Var x = leaf(tensor({2, 3}), "x");
  CHECK(error_of([&] { backward(tensor({1})); }) ==
        "backward: root must depend on a leaf, got the constant F64 [1] on CPU");
  CHECK(error_of([&] { backward(mul(x, x)); }) ==
        "backward: root must have one element without a seed, got F64 [2] on CPU from mul");
  CHECK(error_of([&] { backward(mul(x, x), {.seed = tensor({1})}); }) ==
        "backward: seed must be like root, F64 [2] on CPU, got F64 [1] on CPU");
  CHECK(error_of([&] {
          backward(mul(x, x), {.seed = tensor({1, 1}, DType::F32)});
        }) == "backward: seed must be like root, F64 [2] on CPU, got F32 [2] on CPU");
  backward(x, {.seed = tensor({5, 6})});
  CHECK(values(x.grad()) == Values{5, 6});
}

TEST_CASE("a graph is walked once, or as often as keep_graph allows") {
  const Var x = leaf(tensor({1, 2}));
  const Var y = total(mul(x, x));
  backward(y, {.keep_graph = true});
  backward(y);
  CHECK(values(x.grad()) == Values{4, 8});
  CHECK(error_of([&] { backward(y); }) ==
        "total: this graph was freed by an earlier backward; pass keep_graph to walk it twice");
}

TEST_CASE("a walk frees what closures keep") {
  const Var x = leaf(tensor({1, 2}));
  const Var a = mul(x, x);
  const Var y = total(mul(a, a));
  CHECK(a.value().use_count() == 3);
  backward(y);
  CHECK(a.value().use_count() == 1);
}

TEST_CASE("an error in a closure leaves nothing behind for the next walk") {
  const Var x = leaf(tensor({1, 2}));
  const Var a = same(x);
  bool fails = true;
  const Var b = record("fragile", {a}, a.value(), [&](Backward& g) {
    require(!fails, "fragile", "failed");
    g.give(0, g.dy());
  });
  const Var y = total(add(a, b));
  CHECK(error_of([&] { backward(y, {.keep_graph = true}); }) == "backward of fragile: fragile: failed");
  fails = false;
  backward(y);
  CHECK(values(x.grad()) == Values{2, 2});
}

TEST_CASE("on_final is called once a leaf, when its gradient is complete, in the order of the walk") {
  const Var u = leaf(tensor({2}), "u"), v = leaf(tensor({3}), "v"), w = leaf(tensor({5}), "w");
  const auto order = [&] {
    std::vector<std::string> seen;
    const Var y = add(mul(mul(u, v), w), mul(v, v));
    backward(y, {.on_final = [&](Leaf& leaf) {
               seen.push_back(leaf.name);
               seen.push_back(text(values(leaf.grad)[0]));
               leaf.grad = Tensor();
             }});
    return seen;
  };
  // mul(v, v) is the newest op, but v is not final before the oldest, mul(u, v), has run.
  const std::vector<std::string> expected{"w", "6", "u", "15", "v", "16"};
  CHECK(order() == expected);
  CHECK(order() == expected);
}

TEST_CASE("nothing is recorded while backward runs") {
  const Var x = leaf(tensor({1, 2}));
  bool recorded = true;
  const Var y = record("probe", {x}, x.value(), [&, x](Backward&) { recorded = mul(x, x).requires_grad(); });
  backward(total(y));
  CHECK_FALSE(recorded);
  CHECK(grad_enabled());
}

}  // namespace
}  // namespace matmix::testing
