#include "tensor/error.h"

#include <doctest/doctest.h>

#include "tensor/dtype.h"
#include "tensor/shape.h"

using namespace matmix;

TEST_CASE("text joins strings, numbers, and whatever has a to_string") {
  CHECK(text() == "");
  CHECK(text("a", std::string("b"), std::string_view("c"), 'd' - 'a', -1, uint64_t{1} << 63) ==
        "abc3-19223372036854775808");
  CHECK(text(true, " ", 0.5, " ", 1.0f / 3, " ", 1e-300) == "true 0.5 0.333333343 1e-300");
  CHECK(text(Shape{2, 3}, " ", DType::BF16) == "[2, 3] BF16");
}

TEST_CASE("require throws one sentence where it fails") {
  CHECK_NOTHROW(require(true, "op", "never"));
  CHECK_THROWS_WITH_AS(require(false, "conv1d", "width must be positive, got ", -2),
                       "conv1d: width must be positive, got -2", Error);
  CHECK_THROWS_WITH_AS(fail("here", "always"), "here: always", Error);
}

TEST_CASE("a CudaError is an Error, and an Error a runtime_error") {
  CHECK_THROWS_AS(throw CudaError("x"), Error);
  CHECK_THROWS_AS(throw Error("x"), std::runtime_error);
}
