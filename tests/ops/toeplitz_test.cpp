#include "ops/toeplitz/toeplitz.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/indices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

struct Sizes {
  int64_t rows_of_taps, B, L, H, P;
};

/// Narrow and wide heads, alone and many, odd and even, one filter for all rows or one each; awkward lengths.
const Sizes kSizes[] = {{1, 1, 1, 1, 1}, {1, 2, 2, 3, 1},   {2, 2, 3, 1, 2},   {1, 1, 5, 20, 1},  {2, 2, 8, 3, 3},
                        {1, 3, 9, 2, 7}, {3, 3, 16, 2, 16}, {1, 1, 17, 1, 33}, {2, 2, 33, 3, 64}, {1, 2, 100, 5, 6}};

Var by_matrix(const Var& taps, const Var& x, double scale) {
  return permute(matmul(toeplitz_matrix(taps, scale), permute(x, {0, 2, 1, 3})), {0, 2, 1, 3});
}

TEST_CASE("toeplitz_matrix: the tap of i - j") {
  for (const Device device : test_devices()) {
    const Tensor taps = random_tensor({2, 9, 3}, 1);
    const Var M = toeplitz_matrix(to(taps, device), 0.5);
    REQUIRE(M.shape() == Shape{2, 3, 5, 5});
    const Tensor got = to(M.value(), kCpu);
    for_each_index({2, 3, 5, 5}, [&](const Shape& i) {
      CHECK(element<double>(got, i) == 0.5 * element<double>(taps, {i[0], 4 + i[2] - i[3], i[1]}));
    });
  }
}

TEST_CASE("toeplitz: what the matrix gives, and its gradients") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32})
      for (const auto& [rows, B, L, H, P] : kSizes) {
        CAPTURE(L);
        CAPTURE(P);
        const Var taps = leaf(random_tensor({rows, 2 * L - 1, H}, 1, dtype, device));
        const Var x = leaf(random_tensor({B, L, H, P}, 2, dtype, device));
        const Var y = toeplitz(taps, x, 0.7);
        const Tensor dy = random_tensor(y.shape(), 3, dtype, device);
        backward(y, {.seed = dy});

        const Var exact_taps = leaf(cast(to(taps.value(), kCpu), DType::F64));
        const Var exact_x = leaf(cast(to(x.value(), kCpu), DType::F64));
        const Var want = by_matrix(exact_taps, exact_x, 0.7);
        backward(want, {.seed = cast(to(dy, kCpu), DType::F64)});
        const double terms = static_cast<double>(B * L * P);
        CHECK(relative_error(y.value(), want.value()) <= tolerance(dtype, terms));
        CHECK(relative_error(x.grad(), exact_x.grad()) <= tolerance(dtype, terms));
        CHECK(relative_error(taps.grad(), exact_taps.grad()) <= tolerance(dtype, terms));
      }
}

TEST_CASE("toeplitz: without taps before the diagonal nothing reaches back") {
  for (const Device device : test_devices()) {
    const int64_t L = 12;
    const Tensor taps = random_tensor({1, 2 * L - 1, 2}, 1), x = zeros({1, L, 2, 3}, DType::F64);
    fill(taps.narrow(1, 0, L - 1), 0);
    fill(x.narrow(1, 7, 5), 1);
    const Tensor early = to(toeplitz(to(taps, device), to(x, device)).value(), kCpu).narrow(1, 0, 7);
    CHECK(relative_error(early, zeros_like(early)) <= tolerance(DType::F64, 100));
  }
}

TEST_CASE("toeplitz: a long filter keeps its accuracy") {
  for (const Device device : test_devices()) {
    const int64_t L = 5000;
    const Tensor taps = random_tensor({1, 2 * L - 1, 1}, 1, DType::F32), x = random_tensor({1, L, 1, 2}, 2, DType::F32);
    const Tensor want = toeplitz(cast(taps, DType::F64), cast(x, DType::F64)).value();
    CHECK(relative_error(toeplitz(to(taps, device), to(x, device)).value(), want) <= tolerance(DType::F32));
  }
}

TEST_CASE("toeplitz: the same bits for one thread and two") {
  const Tensor taps = random_tensor({1, 399, 5}, 1, DType::F32), x = random_tensor({3, 200, 5, 20}, 2, DType::F32);
  const int before = thread_count();
  const auto run = [&](int threads) {
    set_thread_count(threads);
    const Var a = leaf(taps), b = leaf(x);
    const Var y = toeplitz(a, b);
    backward(y, {.seed = x});
    return std::vector{y.value(), a.grad(), b.grad()};
  };
  const auto one = run(1), two = run(2);
  set_thread_count(before);
  for (size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], two[i]));
}

TEST_CASE("toeplitz: nothing to multiply") {
  for (const Device device : test_devices()) {
    const Var taps = leaf(random_tensor({1, 5, 2}, 1, DType::F32, device));
    const Var x = leaf(empty({0, 3, 2, 4}, DType::F32, device));
    backward(toeplitz(taps, x), {.seed = empty({0, 3, 2, 4}, DType::F32, device)});
    CHECK(relative_error(taps.grad(), zeros_like(taps.value())) == 0);
    CHECK(x.grad().shape() == x.shape());
  }
}

TEST_CASE("toeplitz: what is refused") {
  const Tensor x = random_tensor({2, 3, 4, 5}, 1), taps = random_tensor({1, 5, 4}, 1);
  CHECK_THROWS_WITH_AS(toeplitz(random_tensor({1, 4, 4}, 1), x),
                       "toeplitz: taps must be floating [B or 1, 2L - 1, H], got F64 [1, 4, 4] on CPU", Error);
  CHECK_THROWS_WITH_AS(toeplitz(random_tensor({1, 7, 4}, 1), x),
                       "toeplitz: taps must be [2 or 1, 5, 4] in the dtype and on the device of x, which is F64 "
                       "[2, 3, 4, 5] on CPU, got F64 [1, 7, 4] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(toeplitz(cast(taps, DType::F32), x),
                       "toeplitz: taps must be [2 or 1, 5, 4] in the dtype and on the device of x, which is F64 "
                       "[2, 3, 4, 5] on CPU, got F32 [1, 5, 4] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(toeplitz(taps, random_tensor({2, 0, 4, 5}, 1)),
                       "toeplitz: x must be floating [B, L > 0, H, P], got F64 [2, 0, 4, 5] on CPU", Error);
}

}  // namespace
}  // namespace matmix::testing
