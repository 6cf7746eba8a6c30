#include "ops/topk/topk.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/backward.h"
#include "tensor/create.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::testing;

TEST_CASE("the first k of a stable sort, for every k") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
      const int64_t n = 300;
      // Few different values, so that many are equal.
      std::vector<double> x;
      for (const double value : to_vector<double>(random_tensor({n}, 3))) x.push_back(std::round(4 * value));
      std::vector<int64_t> order(x.size());
      std::iota(order.begin(), order.end(), 0);
      std::ranges::stable_sort(
          order, [&](int64_t i, int64_t j) { return x[static_cast<size_t>(i)] > x[static_cast<size_t>(j)]; });
      const Tensor on_device = to(cast(from_vector(x), dtype), device);
      for (const int64_t k : {int64_t{0}, int64_t{1}, int64_t{5}, n}) {
        const TopK best = topk(on_device, k);
        CHECK(to_vector<int64_t>(best.indices) == std::vector<int64_t>(order.begin(), order.begin() + k));
        const std::vector<double> values = to_vector<double>(best.values.value());
        for (size_t i = 0; i < values.size(); ++i) CHECK(values[i] == x[static_cast<size_t>(order[i])]);
      }
    }
}

TEST_CASE("NaN comes before infinity, infinity before all, ties go to the lower index") {
  for (const Device device : test_devices()) {
    const Tensor x = to(from_vector<double>({-INFINITY, 1, NAN, INFINITY, 1, NAN, -0.0, 0.0}, {1, 8}), device);
    CHECK(to_vector<int64_t>(topk(x, 8).indices) == std::vector<int64_t>{2, 5, 3, 1, 4, 6, 7, 0});
  }
}

TEST_CASE("rows are apart, and the gradient goes to the elements that were chosen") {
  for (const Device device : test_devices()) {
    const Var x = leaf(to(from_vector<double>({1, 5, 3, 9, 7, 8}, {2, 3}), device));
    const TopK best = topk(x, 2);
    CHECK(to_vector<double>(best.values.value()) == std::vector<double>{5, 3, 9, 8});
    CHECK(to_vector<int64_t>(best.indices) == std::vector<int64_t>{1, 2, 0, 2});
    backward(best.values, {.seed = to(from_vector<double>({1, 2, 3, 4}, {2, 2}), device)});
    CHECK(to_vector<double>(x.grad()) == std::vector<double>{0, 1, 2, 3, 0, 4});
  }
}

TEST_CASE("k outside the row is refused") {
  CHECK_THROWS_WITH_AS(topk(zeros({2, 3}, DType::F32), 4), "topk: k must be in [0, 3], got 4; x is F32 [2, 3] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(topk(zeros({}, DType::F32), 1), "topk: x must be floating [..., n], got F32 [] on CPU", Error);
  CHECK_THROWS_WITH_AS(topk(zeros({3}, DType::I64), 1), "topk: x must be floating [..., n], got I64 [3] on CPU", Error);
}
