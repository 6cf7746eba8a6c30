#include "mixers/monarch.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>

#include "mixers/structure.h"
#include "tensor/compare.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/indices.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::testing;
using namespace matmix::mixers;

namespace {

constexpr BlockShape kOneHead{.D = 1, .H = 1, .P = 1};
constexpr BlockShape kShape{.D = 6, .H = 2, .P = 3};

Streams random_streams(const Monarch& mixer, int64_t B, int64_t L, Device device) {
  Streams c(DType::F64, device);
  uint64_t seed = 0;
  for (const Stream& s : mixer.streams())
    c.put_tokens(s.name, random_tensor(Shape{B, L} + s.per_token, ++seed, DType::F64, device));
  return c;
}

Tensor matrix_of(const Monarch& mixer, const Streams& c, int64_t L) {
  return mixer.matrix(c, Runs::full(1, L)).value().select(0, 0).select(0, 0);
}

/// The factors of the Walsh-Hadamard matrix (-1)^(bits that i and j share): the same of every digit.
Streams walsh_hadamard_streams(const Monarch& mixer, int64_t n) {
  Streams c(DType::F64, kCpu);
  int64_t inner = n;
  for (const Stream& s : mixer.streams()) {
    const int64_t size = s.per_token[1];
    inner /= size;
    std::vector<double> values;
    for (int64_t token = 0; token < n; ++token)
      for (int64_t j = 0; j < size; ++j)
        values.push_back(std::popcount(static_cast<uint64_t>(token / inner % size & j)) % 2 == 0 ? 1 : -1);
    c.put_tokens(s.name, from_vector(values, {1, n, 1, size}));
  }
  return c;
}

}  // namespace

TEST_CASE("monarch mixer: four tokens by hand") {
  const Monarch mixer(kOneHead, {.max_len = 4});
  Streams c(DType::F64, kCpu);
  c.put_tokens("factor_1", from_vector<double>({1, 2, 3, 4, 5, 6, 7, 8}, {1, 4, 1, 2}));
  c.put_tokens("factor_2", from_vector<double>({1, -1, 2, 10, 3, 5, 7, 11}, {1, 4, 1, 2}));
  const std::vector<double> want{1,  2,  6,  14,  // row j: l_j[0] (r_0, r_1)[j mod 2], l_j[1] (r_2, r_3)[j mod 2]
                                 -3, 30, 20, 44,  //
                                 5,  10, 18, 42,  //
                                 -7, 70, 40, 88};
  const Tensor M = matrix_of(mixer, c, 4),
               y = mixer.mix(c, from_vector<double>({1, 1, 1, 1}, {1, 4, 1, 1}), Runs::full(1, 4)).value();
  for_each_index(
      {4, 4}, [&](const Shape& i) { CHECK(element<double>(M, i) == want[static_cast<size_t>(4 * i[0] + i[1])] / 2); });
  CHECK(to_vector<double>(y) == std::vector<double>{11.5, 45.5, 37.5, 95.5});
}

TEST_CASE("monarch mixer: of every order, the Walsh-Hadamard matrix is one, to the bit") {
  for (const int64_t n : {4, 16, 64})
    for (int64_t order = 2; order <= Monarch::finest_order(n); ++order) {
      CAPTURE(n);
      CAPTURE(order);
      const Monarch mixer(kOneHead, {.order = order, .max_len = n});
      const Streams c = walsh_hadamard_streams(mixer, n);
      const double size = 1 / std::sqrt(static_cast<double>(n));
      const Tensor M = matrix_of(mixer, c, n);
      for_each_index({n, n}, [&](const Shape& i) {
        const bool even = std::popcount(static_cast<uint64_t>(i[0] & i[1])) % 2 == 0;
        CHECK(element<double>(M, i) == (even ? size : -size));
      });
      // It is its own inverse; sums of whole numbers are exact.
      Tensor v = random_tensor({1, n, 1, 1}, 1, DType::BF16);
      v = cast(v, DType::F64);
      const Runs runs = Runs::full(1, n);
      CHECK(same_bits(mixer.mix(c, mixer.mix(c, v, runs), runs).value(), v));
    }
}

TEST_CASE("monarch mixer: a run of order 2 has a corner of the longer one's matrix, whatever max_len") {
  for (const int64_t max_len : {5, 16, 20}) {
    const Monarch mixer(kOneHead, {.max_len = max_len});
    const Streams c = random_streams(mixer, 1, max_len, kCpu);
    const Tensor whole = matrix_of(mixer, c, max_len);
    for (int64_t L = 1; L < max_len; ++L)
      CHECK(
          same_bits(matrix_of(mixer, c.whole_rows(max_len).of_runs(Runs::of(1, max_len, {{0, 0, L}}), {{0, 0, L}}), L),
                    contiguous(whole.narrow(0, 0, L).narrow(1, 0, L))));
  }
}

TEST_CASE("monarch mixer: blocks have rank 1 where any axis is cut from the ones behind it, and no others") {
  const Monarch mixer(kOneHead, {.order = 4, .max_len = 16});
  const Tensor M = matrix_of(mixer, random_streams(mixer, 1, 16, kCpu), 16);
  for (const int64_t b : {2, 4, 8}) CHECK(monarch_order(M, b).rank == 1);
  const Monarch coarse(kOneHead, {.max_len = 16});
  const Tensor N = matrix_of(coarse, random_streams(coarse, 1, 16, kCpu), 16);
  CHECK(coarse.traits().monarch_block == 4);
  CHECK(monarch_order(N, 4).rank == 1);
  CHECK(monarch_order(N, 2).rank == 2);
  CHECK(monarch_order(random_tensor({16, 16}, 5), 4).rank == 4);
}

TEST_CASE("monarch mixer: axes are powers of two but for the first, which is no longer than needed") {
  const auto widths = [](int64_t order, int64_t max_len) {
    std::vector<int64_t> all;
    for (const Stream& s : Monarch(kOneHead, {.order = order, .max_len = max_len}).streams())
      all.push_back(s.per_token[1]);
    return all;
  };
  CHECK(widths(2, 512) == std::vector<int64_t>{16, 32});
  CHECK(widths(2, 20) == std::vector<int64_t>{3, 8});
  CHECK(widths(3, 64) == std::vector<int64_t>{4, 4, 4});
  CHECK(widths(5, 20) == std::vector<int64_t>{2, 2, 2, 2, 2});
  CHECK(widths(2, 1) == std::vector<int64_t>{1, 1});
}

TEST_CASE("monarch mixer: both forms agree for every order and length on every device") {
  for (const Device device : test_devices())
    for (int64_t order = 2; order <= 5; ++order)
      for (const int64_t L : {1, 2, 7, 16, 20}) {
        const Monarch mixer(kShape, {.order = order, .max_len = 20});
        const Streams c = random_streams(mixer, 2, L, device);
        const Tensor M = to(mixer.matrix(c, Runs::full(2, L)).value(), kCpu), v = random_tensor({2, L, 2, 3}, 9);
        const Tensor want = zeros(v.shape(), DType::F64);
        for_each_index({2, 2, L, L}, [&](const Shape& i) {
          for (int64_t p = 0; p < 3; ++p)
            element<double>(want, {i[0], i[2], i[1], p}) +=
                element<double>(M, i) * element<double>(v, {i[0], i[3], i[1], p});
        });
        CHECK(relative_error(mixer.mix(c, to(v, device), Runs::full(2, L)).value(), want) <= tolerance(DType::F64, 64));
      }
}

TEST_CASE("monarch mixer: what is refused") {
  CHECK_THROWS_WITH_AS(Monarch(kShape, {.max_len = 0}), "monarch: max_len must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(Monarch(kShape, {.order = 6, .max_len = 20}),
                       "monarch: order must be in [2, 5] for max_len 20, got 6", Error);
  CHECK_THROWS_WITH_AS(Monarch(kShape, {.order = 1}), "monarch: order must be in [2, 9] for max_len 512, got 1", Error);
  const Monarch mixer(kShape, {.max_len = 4});
  CHECK_THROWS_WITH_AS(mixer.matrix(random_streams(mixer, 1, 5, kCpu), Runs::full(1, 5)),
                       "monarch: runs must have at most 4 tokens, got 5", Error);
}
