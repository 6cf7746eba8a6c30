#include "autograd/var.h"

#include <doctest/doctest.h>

#include "tests/autograd/tiny_ops.h"

namespace matmix::testing {
namespace {

TEST_CASE("what a Var says of itself") {
  const Var constant = tensor({1, 2}), x = leaf(tensor({1, 2}), "weight"), y = mul(x, x);
  CHECK(to_string(constant) == "F64 [2] on CPU");
  CHECK(to_string(x) == "F64 [2] on CPU 'weight'");
  CHECK(to_string(y) == "F64 [2] on CPU from mul");
  CHECK_FALSE(Var().defined());
  CHECK_FALSE(constant.requires_grad());
  CHECK(x.requires_grad());
  CHECK(y.requires_grad());
}

TEST_CASE("detach keeps the value and drops the history") {
  const Var y = mul(leaf(tensor({2})), tensor({3}));
  CHECK_FALSE(y.detach().requires_grad());
  CHECK(y.detach().value().same_view_as(y.value()));
}

TEST_CASE("only a leaf keeps its gradient") {
  const Var y = mul(leaf(tensor({2})), tensor({3}));
  CHECK(error_of([&] { y.grad(); }) == "grad: only a leaf keeps its gradient; asked of F64 [1] on CPU from mul");
  CHECK_FALSE(leaf(tensor({2})).grad().defined());
}

TEST_CASE("a leaf is floating") {
  CHECK(error_of([] { leaf(arange(3, DType::I64), "ids"); }) ==
        "leaf: 'ids' must be of a floating dtype to have a gradient, got I64 [3] on CPU");
  CHECK(error_of([] { leaf(tensor({1}), "w", DType::I32); }).starts_with("leaf: 'w' must be of a floating dtype"));
}

}  // namespace
}  // namespace matmix::testing
