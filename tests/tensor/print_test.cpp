#include "tensor/print.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/create.h"
#include "tensor/transfer.h"
#include "tests/support/devices.h"

using namespace matmix;
using namespace matmix::testing;

TEST_CASE("values are printed like NumPy's, aligned, with as few digits as they need") {
  for (const Device device : test_devices()) {
    const Tensor x = from_vector(std::vector<double>{1, -2.5, 0.25, 100}, {2, 2}, device);
    CHECK(print(x) == "[[  1.00,  -2.50],\n [  0.25, 100.00]]");
    CHECK(print(x.transpose(0, 1)) == "[[  1.00,   0.25],\n [ -2.50, 100.00]]");
  }
  CHECK(print(full({}, 3, DType::F32)) == "3");
  CHECK(print(arange(4, DType::I64)) == "[0, 1, 2, 3]");
  CHECK(print(from_vector(std::vector<bool>{true, false})) == "[ true, false]");
  CHECK(print(from_vector(std::vector<double>{1.0 / 3})) == "[0.3333]");
  CHECK(print(from_vector(std::vector<double>{1.0 / 3}), {.precision = 1}) == "[0.3]");
  CHECK(print(from_vector(std::vector<double>{NAN, -INFINITY, 1})) == "[ nan, -inf,    1]");
}

TEST_CASE("very large and very small values are scientific") {
  CHECK(print(from_vector(std::vector<double>{1e-7, 0})) == "[1.0000e-07, 0.0000e+00]");
  CHECK(print(from_vector(std::vector<double>{1e12, 1}), {.precision = 2}) == "[1.00e+12, 1.00e+00]");
  CHECK(print(from_vector(std::vector<double>{0, 0})) == "[0, 0]");
}

TEST_CASE("matrices of matrices are apart by an empty line, empty tensors are brackets") {
  CHECK(print(arange(8, DType::I32).reshape({2, 2, 2})) == "[[[0, 1],\n  [2, 3]],\n\n [[4, 5],\n  [6, 7]]]");
  CHECK(print(zeros({0}, DType::F32)) == "[]");
  CHECK(print(zeros({2, 0}, DType::F32)) == "[[],\n []]");
  CHECK(print(Tensor()) == "undefined");
}

TEST_CASE("large tensors are elided in the middle") {
  CHECK(print(arange(2000, DType::I64)) == "[   0,    1,    2, ..., 1997, 1998, 1999]");
  const PrintOptions small{.threshold = 10, .edge = 1};
  CHECK(print(arange(12, DType::I64).reshape({4, 3}), small) == "[[ 0, ...,  2],\n ...,\n [ 9, ..., 11]]");
  CHECK(print(arange(12, DType::I64).reshape({6, 2}), small) == "[[ 0,  1],\n ...,\n [10, 11]]");
}

TEST_CASE("long rows are wrapped under their first element") {
  CHECK(print(arange(7, DType::I64), {.width = 10}) == "[0, 1, 2,\n 3, 4, 5,\n 6]");
}

TEST_CASE("options that make no sense are refused") {
  CHECK_THROWS_WITH_AS(print(zeros({2}, DType::F32), {.edge = 0}),
                       "print: precision must not be negative and edge positive, got 4 and 0", Error);
}
