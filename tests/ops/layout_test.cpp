#include "ops/layout/layout.h"

#include <doctest/doctest.h>

#include <functional>

#include "autograd/backward.h"
#include "ops/elementwise/elementwise.h"
#include "tensor/compare.h"
#include "tests/support/devices.h"
#include "tests/support/indices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

constexpr DType kAll[] = {DType::F64, DType::F32, DType::BF16, DType::I64, DType::I32, DType::U8, DType::Bool};

/// [2, 3, 4] counted from 0.
Tensor counted(DType dtype, Device device) { return to(cast(arange(24, dtype), dtype), device).reshape({2, 3, 4}); }

/// Every element of y is the element of x (F64, 0 outside) at the index that `from` names.
void check_moved(const Tensor& y, const Tensor& x, const Shape& shape, const std::function<Shape(const Shape&)>& from) {
  REQUIRE(y.shape() == shape);
  const Tensor want = zeros(shape, DType::F64), have = cast(to(x, kCpu), DType::F64);
  for_each_index(shape, [&](const Shape& i) {
    const Shape source = from(i);
    bool inside = true;
    for (int axis = 0; axis < source.rank(); ++axis) inside &= source[axis] >= 0 && source[axis] < have.dim(axis);
    if (inside) element<double>(want, i) = element<double>(have, source);
  });
  CHECK(same_bits(cast(y, DType::F64), want));
}

TEST_CASE("layout: copies move every dtype where they should") {
  for (const Device device : test_devices())
    for (const DType dtype : kAll) {
      const Tensor plain = dtype == DType::Bool ? cast(counted(DType::U8, device), dtype) : counted(dtype, device);
      const Tensor turned = contiguous(plain.transpose(0, 2)).transpose(0, 2);
      for (const Tensor& x : {plain, turned}) {
        check_moved(flip(x, 0).value(), x, {2, 3, 4}, [](const Shape& i) { return Shape{1 - i[0], i[1], i[2]}; });
        check_moved(flip(x, 1).value(), x, {2, 3, 4}, [](const Shape& i) { return Shape{i[0], 2 - i[1], i[2]}; });
        check_moved(flip(x, -1).value(), x, {2, 3, 4}, [](const Shape& i) { return Shape{i[0], i[1], 3 - i[2]}; });
        for (const int64_t steps : {-9, -3, -1, 0, 1, 2, 3, 9})
          check_moved(shift(x, 1, steps).value(), x, {2, 3, 4}, [=](const Shape& i) {
            return Shape{i[0], i[1] - steps, i[2]};
          });
        check_moved(pad(x, 2, 1, 2).value(), x, {2, 3, 7}, [](const Shape& i) { return Shape{i[0], i[1], i[2] - 1}; });
        check_moved(repeat(x, 1, 2).value(), x, {2, 6, 4}, [](const Shape& i) { return Shape{i[0], i[1] / 2, i[2]}; });
        check_moved(repeat(x, -1, 3).value(), x, {2, 3, 12}, [](const Shape& i) {
          return Shape{i[0], i[1], i[2] / 3};
        });
        check_moved(concat({x, x}, 0).value(), x, {4, 3, 4}, [](const Shape& i) {
          return Shape{i[0] % 2, i[1], i[2]};
        });
        check_moved(contiguous(Var(turned)).value(), x, {2, 3, 4}, [](const Shape& i) { return i; });
      }
    }
}

TEST_CASE("layout: views share the bytes") {
  const Var x = random_tensor({2, 3, 4}, 1);
  const std::vector<Var> parts = split(x, {1, 2}, 1);
  for (const Var& y :
       {reshape(x, {6, 4}), permute(x, {2, 1, 0}), transpose(x, 0, 1), narrow(x, 1, 1, 2), select(x, 0, 1),
        expand(x, {5, 2, 3, 4}), unsqueeze(x, 1), squeeze(unsqueeze(x, -1), -1), parts[0], parts[1]})
    CHECK(y.value().shares_storage_with(x.value()));
  CHECK(contiguous(x).value().same_view_as(x.value()));
  const Var turned = reshape(transpose(x, 0, 2), {24});
  CHECK_FALSE(turned.value().shares_storage_with(x.value()));
  CHECK(same_bits(turned.value(), contiguous(x.value().transpose(0, 2)).reshape({24})));
}

TEST_CASE("layout: empty parts, no axis to move along, and axes of size 1") {
  for (const Device device : test_devices()) {
    const Tensor none = empty({2, 0, 3}, DType::F32, device), x = random_tensor({2, 1, 3}, 1, DType::F32, device);
    CHECK(flip(none, 1).shape() == Shape{2, 0, 3});
    CHECK(shift(none, 1, 2).shape() == Shape{2, 0, 3});
    CHECK(same_bits(pad(none, 1, 1, 0).value(), zeros({2, 1, 3}, DType::F32, device)));
    CHECK(repeat(x, 1, 0).shape() == Shape{2, 0, 3});
    CHECK(same_bits(concat({none, x, none}, 1).value(), x));
    CHECK(same_bits(flip(x, 1).value(), x));
    CHECK(split(x, {0, 1, 0}, 1)[2].shape() == Shape{2, 0, 3});
    const Var v = leaf(x);
    backward(split(v, {0, 1}, 1)[0], {.seed = none});
    CHECK(same_bits(v.grad(), zeros({2, 1, 3}, DType::F32, device)));
  }
}

TEST_CASE("split: gradients of parts land in one buffer, of unused parts as zeros, and again on a second walk") {
  for (const Device device : test_devices()) {
    const Var x = leaf(random_tensor({4, 6}, 1, DType::F64, device));
    const Var inner = affine(x, 1);
    const std::vector<Var> parts = split(inner, {1, 2, 3}, 1);
    const Var y = concat({exp(parts[2]), affine(parts[0], 3), parts[2]}, 1);
    const Tensor dy = random_tensor({4, 7}, 2, DType::F64, device);
    const Tensor want = zeros({4, 6}, DType::F64, device);
    const Tensor e = (exp(parts[2].value()) * Var(dy.narrow(1, 0, 3)) + Var(dy.narrow(1, 4, 3))).value();
    copy(want.narrow(1, 3, 3), e);
    copy(want.narrow(1, 0, 1), affine(dy.narrow(1, 3, 1), 3).value());
    backward(y, {.seed = dy, .keep_graph = true});
    CHECK(relative_error(x.grad(), want) < 1e-15);
    backward(y, {.seed = dy});
    CHECK(relative_error(x.grad(), affine(want, 2).value()) < 1e-15);
  }
}

TEST_CASE("split: a part as the root") {
  const Var x = leaf(random_tensor({2, 3}, 1));
  backward(split(x, {1, 2}, 1)[1], {.seed = full({2, 2}, 5, DType::F64)});
  CHECK(to_vector<double>(x.grad()) == std::vector<double>{0, 5, 5, 0, 5, 5});
}

TEST_CASE("narrow: overlapping windows of one tensor add up") {
  const Var x = leaf(from_vector<double>({1, 2, 3}));
  backward(narrow(x, 0, 0, 2) * narrow(x, 0, 1, 2), {.seed = from_vector<double>({1, 1})});
  CHECK(to_vector<double>(x.grad()) == std::vector<double>{2, 4, 2});
}

TEST_CASE("layout: what is refused") {
  const Var x = random_tensor({2, 3}, 1);
  CHECK_THROWS_WITH_AS(split(x, {1, 1}, 1), "split: sizes must add up to 3, got 2; x is F64 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(split(x, {1, -1, 3}, 1), "narrow: [1, 1 + -1) must lie in axis 1 of F64 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(concat({}, 0), "concat: needs at least one part", Error);
  CHECK_THROWS_WITH_AS(concat({x, random_tensor({3, 2}, 1)}, 0),
                       "concat: parts must agree in all but axis 0, got F64 [2, 3] on CPU and F64 [3, 2] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(concat({x, cast(x, DType::F32)}, 1),
                       "concat: parts must agree in all but axis 1, got F64 [2, 3] on CPU and F32 [2, 3] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(concat({x, random_tensor({3}, 1)}, 0),
                       "concat: parts must agree in all but axis 0, got F64 [2, 3] on CPU and F64 [3] on CPU", Error);
  CHECK_THROWS_WITH_AS(pad(x, 0, -1, 2), "pad: must not be negative, got -1 before and 2 after", Error);
  CHECK_THROWS_WITH_AS(repeat(x, 0, -1), "repeat: times must not be negative, got -1", Error);
  CHECK_THROWS_WITH_AS(flip(x, 2), "flip: axis must be in [-2, 2), got 2", Error);
  CHECK_THROWS_WITH_AS(shift(x, -3, 1), "shift: axis must be in [-2, 2), got -3", Error);
  CHECK_THROWS_WITH_AS(squeeze(x, 0), "squeeze: axis 0 must have size 1 in F64 [2, 3] on CPU", Error);
}

}  // namespace
}  // namespace matmix::testing
