#include "experiments/compare.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/create.h"
#include "tests/support/tolerance.h"

using namespace matmix;
using namespace matmix::experiments;

TEST_CASE("relative error: a share of what was wanted, absolute at 0, infinite for what cannot be compared") {
  const Tensor want = from_vector<double>({3, 4});
  CHECK(relative_error(want, want) == 0);
  CHECK(relative_error(from_vector<double>({3, 4.5}), want) == doctest::Approx(0.1));
  CHECK(relative_error(from_vector<double>({0.5, 0}), zeros({2}, DType::F64)) == 0.5);
  CHECK(relative_error(from_vector<double>({3, NAN}), want) == INFINITY);
  CHECK(relative_error(from_vector<double>({3, 4, 5}), want) == INFINITY);
}

TEST_CASE("same bits tells the zeros apart and sees the dtype") {
  CHECK(same_bits(from_vector<double>({1, 2}), from_vector<double>({1, 2})));
  CHECK_FALSE(same_bits(from_vector<double>({0.0}), from_vector<double>({-0.0})));
  CHECK_FALSE(same_bits(from_vector<double>({1}), from_vector<float>({1})));
}

TEST_CASE("laws allow what the tests of ops allow") {
  for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
    for (const double n : {0.0, 1.0, 1000.0}) CHECK(rounding_tolerance(dtype, n) == testing::tolerance(dtype, n));
}
