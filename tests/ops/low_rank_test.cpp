#include "ops/low_rank/low_rank.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/backward.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

struct Inputs {
  Var q, k, v;

  Inputs(int64_t B, int64_t of_streams, int64_t L, Device device = kCpu)
      : q(leaf(positive({of_streams, L, 2, 3}, 1, device), "q")),
        k(leaf(positive({of_streams, L, 2, 3}, 2, device), "k")),
        v(leaf(random_tensor({B, L, 2, 4}, 3, DType::F64, device), "v")) {}

  static Tensor positive(const Shape& shape, uint64_t seed, Device device) {
    std::vector<double> x = to_vector<double>(random_tensor(shape, seed));
    for (double& value : x) value = std::abs(value) + 0.1;
    return to(from_vector(x, shape), device);
  }
};

/// y and the gradients of q, k and v, by the product or by the matrix.
std::vector<Tensor> results(const Inputs& in, const LowRankOptions& options, bool by_matrix) {
  const auto y = [&]() -> Var {
    if (!by_matrix) return low_rank(in.q, in.k, in.v, options);
    const Var heads = permute(in.v, {0, 2, 1, 3});
    return permute(matmul(low_rank_matrix(in.q, in.k, options), heads), {0, 2, 1, 3});
  }();
  backward(y, {.seed = random_tensor(y.shape(), 4, DType::F64, y.device())});
  return {y.value(), in.q.grad(), in.k.grad(), in.v.grad()};
}

}  // namespace

TEST_CASE("the product is that of the matrix, in value and gradients, runs longer than a chunk too") {
  const std::vector<std::optional<Runs>> layouts{
      std::nullopt, Runs::of(2, 300, {{0, 0, 300}, {1, 20, 131}, {1, 151, 129}, {1, 290, 3}}),
      Runs::of(2, 300, {{0, 7, 1}, {1, 0, 2}, {1, 2, 4}}), Runs::of_lengths(300, {0, 257})};
  for (const Device device : test_devices())
    for (const std::optional<Runs>& runs : layouts)
      for (const bool normalise : {false, true})
        for (const int64_t of_streams : {1, 2}) {
          const LowRankOptions options{.scale = 0.3, .normalise = normalise, .runs = runs};
          const auto fast = results(Inputs(2, of_streams, 300, device), options, false);
          const auto plain = results(Inputs(2, of_streams, 300, device), options, true);
          for (size_t i = 0; i < fast.size(); ++i)
            CHECK(relative_error(fast[i], plain[i]) <= tolerance(DType::F64, 300 * 300));
        }
}

TEST_CASE("the matrix, by hand") {
  const Tensor q = from_vector<double>({1, 2}, {1, 2, 1, 1}), k = from_vector<double>({3, 5}, {1, 2, 1, 1});
  CHECK(to_vector<double>(low_rank_matrix(q, k, {.scale = 0.5}).value()) == std::vector<double>{1.5, 2.5, 3, 5});
  const std::vector<double> M = to_vector<double>(low_rank_matrix(q, k, {.normalise = true, .eps = 0}).value());
  CHECK(M == std::vector<double>{3 / 8.0, 5 / 8.0, 6 / 16.0, 10 / 16.0});
}

TEST_CASE("what padding holds does not matter, and padding is exactly 0") {
  for (const Device device : test_devices())
    for (const bool normalise : {false, true}) {
      const Runs runs = Runs::of(1, 6, {{0, 1, 2}, {0, 4, 1}});
      const Inputs in(1, 1, 6, device);
      for (const Var& x : {in.q, in.k, in.v})
        for (const int64_t at : {0, 3, 5}) fill(x.value().narrow(1, at, 1), NAN);
      const auto found = results(in, {.normalise = normalise, .runs = runs}, false);
      for (const Tensor& x : found)
        for (const int64_t at : {0, 3, 5})
          for (const double value : to_vector<double>(x.narrow(1, at, 1))) CHECK(value == 0);
      for (const Tensor& x : found)
        for (const double value : to_vector<double>(x)) CHECK(std::isfinite(value));
    }
}

TEST_CASE("rows of zeros stay zero under a normaliser") {
  const Tensor none = zeros({1, 2, 1, 1}, DType::F64), v = full({1, 2, 1, 1}, 1, DType::F64);
  CHECK(to_vector<double>(low_rank(none, none, v, {.normalise = true}).value()) == std::vector<double>{0, 0});
}

TEST_CASE("no tokens, and nothing but padding") {
  const Tensor none = zeros({2, 0, 1, 3}, DType::F32);
  CHECK(low_rank(none, none, none).shape() == Shape{2, 0, 1, 3});
  const Tensor x = full({1, 2, 1, 1}, NAN, DType::F64);
  CHECK(to_vector<double>(low_rank(x, x, x, {.runs = Runs::of(1, 2, {})}).value()) == std::vector<double>{0, 0});
}

TEST_CASE("what does not fit is said in one sentence") {
  const Tensor q = zeros({2, 4, 1, 3}, DType::F32), v = zeros({2, 4, 1, 5}, DType::F32);
  CHECK_THROWS_WITH_AS(low_rank(zeros({3, 4, 1, 3}, DType::F32), q, v),
                       "low_rank: q must be floating [2 or 1, L, H, E], got F32 [3, 4, 1, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(low_rank(q, zeros({2, 4, 1, 2}, DType::F32), v),
                       "low_rank: k must be as q, which is F32 [2, 4, 1, 3] on CPU, got F32 [2, 4, 1, 2] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(
      low_rank(q, q, zeros({2, 3, 1, 5}, DType::F32)),
      "low_rank: v must be [2, 4, 1, P] in the dtype and on the device of q, which is F32 [2, 4, 1, 3] "
      "on CPU, got F32 [2, 3, 1, 5] on CPU",
      Error);
  CHECK_THROWS_WITH_AS(low_rank(q, q, v, {.runs = Runs::full(2, 5)}),
                       "low_rank: runs must be of 2 rows of 4 tokens, got 2 of 5", Error);
  CHECK_THROWS_WITH_AS(low_rank(q, q, v, {.eps = -1}), "low_rank: eps must not be negative, got -1", Error);
}
