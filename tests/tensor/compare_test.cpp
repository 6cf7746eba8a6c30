#include "tensor/compare.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/create.h"
#include "tensor/tolerance.h"

using namespace matmix;

TEST_CASE("relative error: a share of what was wanted, absolute at 0, infinite for what cannot be compared") {
  const Tensor want = from_vector<double>({3, 4});
  CHECK(relative_error(want, want) == 0);
  CHECK(relative_error(from_vector<double>({3, 4.5}), want) == doctest::Approx(0.1));
  CHECK(relative_error(from_vector<double>({0.5, 0}), zeros({2}, DType::F64)) == 0.5);
  for (const double size : {0x1p-1000, 0x1p-500, 0x1p500, 0x1p1000})
    CHECK(relative_error(from_vector<double>({3 * size, 4.5 * size}), from_vector<double>({3 * size, 4 * size})) ==
          doctest::Approx(0.1));
  CHECK(relative_error(from_vector<double>({3, NAN}), want) == INFINITY);
  CHECK(relative_error(from_vector<double>({3, 4, 5}), want) == INFINITY);
}

TEST_CASE("same bits tells the zeros apart and sees the dtype") {
  CHECK(same_bits(from_vector<double>({1, 2}), from_vector<double>({1, 2})));
  CHECK_FALSE(same_bits(from_vector<double>({0.0}), from_vector<double>({-0.0})));
  CHECK_FALSE(same_bits(from_vector<double>({1}), from_vector<float>({1})));
}

TEST_CASE("the tolerance grows with what is stored, and with the root of what is summed") {
  CHECK(tolerance(DType::F64) == 16 * 0x1p-52);
  CHECK(tolerance(DType::F32, 100) == 88 * 0x1p-23);
  CHECK(tolerance(DType::BF16, 100) == 8 * 0x1p-8 + 80 * 0x1p-23);
  CHECK(tolerance(DType::F32, 0) == tolerance(DType::F32, 1));
}
