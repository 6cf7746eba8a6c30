#include "data/permutation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "tensor/error.h"

using namespace matmix;
using namespace matmix::data;

namespace {

std::vector<int64_t> values(int64_t n, uint64_t step) {
  const Permutation permutation(n, {.seed = 1, .stream = 2, .step = step});
  std::vector<int64_t> order;
  for (int64_t i = 0; i < n; ++i) order.push_back(permutation(i));
  return order;
}

}  // namespace

TEST_CASE("every number comes once, for any n") {
  for (const int64_t n : {1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 1000, 4097}) {
    for (uint64_t step = 0; step < 3; ++step) {
      std::vector<int64_t> order = values(n, step);
      std::sort(order.begin(), order.end());
      for (int64_t i = 0; i < n; ++i) REQUIRE(order[static_cast<size_t>(i)] == i);
    }
  }
}

TEST_CASE("another key, another order; neighbours are torn apart") {
  constexpr int64_t n = 1000;
  const std::vector<int64_t> a = values(n, 0), b = values(n, 1);
  CHECK(a == values(n, 0));
  int64_t fixed = 0, equal = 0, neighbours = 0;
  for (size_t i = 0; i + 1 < a.size(); ++i) {
    fixed += a[i] == static_cast<int64_t>(i);
    equal += a[i] == b[i];
    neighbours += std::abs(a[i] - a[i + 1]) == 1;
  }
  // Each is about Poisson of mean 1 or 2 for a random order.
  CHECK(fixed < 10);
  CHECK(equal < 10);
  CHECK(neighbours < 12);
}

TEST_CASE("the first value is spread evenly over the keys") {
  constexpr int64_t n = 10;
  std::vector<int> counts(n, 0);
  for (uint64_t step = 0; step < 4000; ++step)
    ++counts[static_cast<size_t>(Permutation(n, {.seed = 3, .step = step})(0))];
  for (const int count : counts) {
    CHECK(count > 310);  // 400 expected, standard deviation 19
    CHECK(count < 490);
  }
}

TEST_CASE("indices and sizes outside the range are refused") {
  CHECK_THROWS_WITH_AS(Permutation(0, {}), "Permutation: n must be in [1, 2^62], got 0", Error);
  CHECK_THROWS_WITH_AS(Permutation(3, {})(3), "Permutation: index must be in [0, 3), got 3", Error);
  const int64_t huge = int64_t{1} << 62;
  const int64_t value = Permutation(huge, {})(huge - 1);
  CHECK((value >= 0 && value < huge));
}
