#include "tensor/shape.h"

#include <doctest/doctest.h>

using namespace matmix;

TEST_CASE("a shape is a list of at most eight sizes") {
  Shape shape{2, 3};
  CHECK(shape.rank() == 2);
  CHECK(shape[1] == 3);
  CHECK(shape.dim(-1) == 3);
  CHECK(shape == Shape{2, 3});
  CHECK_FALSE(shape == Shape{2, 3, 1});
  shape.push_back(4);
  CHECK(shape + Shape{5} == Shape{2, 3, 4, 5});
  CHECK(to_string(shape) == "[2, 3, 4]");
  CHECK(to_string(Shape()) == "[]");
  CHECK_THROWS_WITH_AS(shape.dim(3), "shape: axis must be in [-3, 3), got 3", Error);
  CHECK_THROWS_WITH_AS((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), "shape: rank must be at most 8, got 9", Error);
  Shape full{1, 1, 1, 1, 1, 1, 1, 1};
  CHECK_THROWS_AS(full.push_back(1), Error);
}

TEST_CASE("numel is the product, refused where it has no meaning") {
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{3, 0, 5}.numel() == 0);
  CHECK(Shape{3, 4, 5}.numel() == 60);
  CHECK((Shape{int64_t{1} << 31, int64_t{1} << 31}).numel() == int64_t{1} << 62);
  CHECK_THROWS_WITH_AS((Shape{3, -1}).numel(), "shape: sizes must not be negative, got [3, -1]", Error);
  CHECK_THROWS_WITH_AS((Shape{int64_t{1} << 32, int64_t{1} << 32}).numel(),
                       "shape: the number of elements of [4294967296, 4294967296] does not fit in 63 bits", Error);
  CHECK_THROWS_AS((Shape{int64_t{1} << 32, int64_t{1} << 32, 0}).numel(), Error);
}

TEST_CASE("contiguous strides are row-major") {
  CHECK(contiguous_strides({2, 3, 4}) == Shape{12, 4, 1});
  CHECK(contiguous_strides({}) == Shape{});
  CHECK(contiguous_strides({2, 0, 4}) == Shape{4, 4, 1});
}

TEST_CASE("shapes broadcast by NumPy's rule, either way round") {
  const struct {
    Shape a, b, both;
  } cases[] = {{{}, {}, {}},          {{3}, {}, {3}},  {{2, 3}, {3}, {2, 3}},
               {{2, 1}, {3}, {2, 3}}, {{1}, {0}, {0}}, {{5, 1, 4}, {1, 3, 1}, {5, 3, 4}}};
  for (const auto& [a, b, both] : cases) {
    CHECK(broadcast_shapes(a, b, "test") == both);
    CHECK(broadcast_shapes(b, a, "test") == both);
  }
  CHECK_THROWS_WITH_AS(broadcast_shapes({2, 3}, {4}, "add"), "add: shapes [2, 3] and [4] do not broadcast", Error);
  CHECK_THROWS_AS(broadcast_shapes({2}, {0}, "add"), Error);
}

TEST_CASE("axes count from the end where they are negative") {
  for (int axis = 0; axis < 3; ++axis) {
    CHECK(normalize_axis(axis, 3, "test") == axis);
    CHECK(normalize_axis(axis - 3, 3, "test") == axis);
  }
  CHECK_THROWS_WITH_AS(normalize_axis(-4, 3, "sum"), "sum: axis must be in [-3, 3), got -4", Error);
  CHECK_THROWS_WITH_AS(normalize_axis(0, 0, "sum"), "sum: axis must be in [0, 0), got 0", Error);
}
