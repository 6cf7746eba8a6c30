#include "tensor/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/parallel.h"
#include "tensor/transfer.h"
#include "tests/support/devices.h"

using namespace matmix;
using namespace matmix::testing;

using Words = std::array<uint32_t, 4>;

TEST_CASE("Philox4x32-10 gives the published figures") {  // Random123, kat_vectors
  constexpr uint32_t kOnes = 0xffffffffu;
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  CHECK(philox({}, 0) == philox4x32({0, 0, 0, 0}, {0, 0}));
}

TEST_CASE("every part of the key changes the bits") {
  std::set<Words> seen;
  for (const uint64_t low : {0, 1})
    for (const uint64_t high : {0, 1}) {
      const uint64_t value = low | high << 40;
      seen.insert(philox({.seed = value, .stream = 2, .step = 3}, 4));
      seen.insert(philox({.seed = 5, .stream = value, .step = 3}, 4));
      seen.insert(philox({.seed = 5, .stream = 2, .step = value}, 4));
      seen.insert(philox({.seed = 5, .stream = 2, .step = 3}, value));
    }
  seen.insert(philox({.seed = 5, .stream = 3, .step = 2}, 4));
  CHECK(seen.size() == 17);
}

TEST_CASE("stream_of is FNV-1a") {
  CHECK(stream_of("") == 0xcbf29ce484222325u);
  CHECK(stream_of("a") == 0xaf63dc4c8601ec8cu);
  CHECK(stream_of("foobar") == 0x85944171f73967e8u);
}

TEST_CASE("to_uniform stays below 1") {
  CHECK(to_uniform(0) == 0);
  CHECK(to_uniform(0xffffffffu) == 1 - 0x1p-24f);
}

TEST_CASE("random_uniform is the sequence of the key, the same bits on every device and for any thread count") {
  const RandomKey key{.seed = 7, .stream = stream_of("test"), .step = 11};
  const int before = thread_count();
  for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
    const Tensor want = empty({10007}, dtype);
    set_thread_count(1);
    random_uniform(want, -0.3, 0.7, key);
    for (const Device device : test_devices())
      for (const int threads : {1, 3}) {
        set_thread_count(threads);
        const Tensor got = empty({10007}, dtype, device);
        random_uniform(got, -0.3, 0.7, key);
        CHECK(same_bits(got, want));
      }
  }
  set_thread_count(before);
  const Tensor unit = empty({9}, DType::F32);
  random_uniform(unit, 0, 1, key);
  for (uint64_t i = 0; i < 9; ++i) CHECK(unit.data<float>()[i] == to_uniform(random_bits(key, i)));
}

TEST_CASE("uniform and normal numbers have their moments") {
  const int64_t n = 100000;
  const Tensor uniform = empty({n}, DType::F64), normal = empty({n}, DType::F64);
  random_uniform(uniform, 2, 4, {.seed = 1});
  random_normal(normal, 3, 2, {.seed = 1});
  const auto moment = [&](const Tensor& x, double center, int power) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += std::pow(x.data<double>()[i] - center, power);
    return sum / static_cast<double>(n);
  };
  // Five standard errors each.
  const double root = 5 / std::sqrt(static_cast<double>(n));
  CHECK(std::abs(moment(uniform, 0, 1) - 3) < root * std::sqrt(1.0 / 3));
  CHECK(std::abs(moment(uniform, 3, 2) - 1.0 / 3) < root * 0.3);
  CHECK(std::abs(moment(normal, 0, 1) - 3) < root * 2);
  CHECK(std::abs(moment(normal, 3, 2) - 4) < root * 4 * std::sqrt(2.0));
  CHECK(std::abs(moment(normal, 3, 3)) < root * 8 * std::sqrt(15.0));
  CHECK(std::abs(moment(normal, 3, 4) - 48) < root * 16 * std::sqrt(96.0));
  double neighbours = 0;  // the two halves of a pair are independent
  for (int64_t i = 0; i < n; i += 2)
    neighbours += (normal.data<double>()[i] - 3) * (normal.data<double>()[i + 1] - 3) / 4;
  CHECK(std::abs(neighbours / static_cast<double>(n / 2)) < root * std::sqrt(2.0));
}

TEST_CASE("normals depend on their index alone and are the same on every device") {
  const Tensor longer = empty({2, 2501}, DType::F64);
  random_normal(longer, 0, 1, {.seed = 9});
  for (const Device device : test_devices()) {
    const Tensor x = zeros({3001}, DType::F64, device);
    random_normal(x, 0, 1, {.seed = 9});
    CHECK(same_bits(x, longer.reshape({5002}).narrow(0, 0, 3001)));
  }
  const Tensor strided = zeros({3, 2}, DType::F32);
  random_normal(strided.transpose(0, 1), 0, 1, {.seed = 9});
  CHECK(strided.data<float>()[2] == static_cast<float>(longer.data<double>()[1]));
}

TEST_CASE("RandomStream is the sequence of its key") {
  const RandomKey key{.seed = 3};
  RandomStream stream(key);
  for (uint64_t i = 0; i < 11; ++i) CHECK(stream.next() == random_bits(key, i));
  CHECK(stream.next64() == (uint64_t{random_bits(key, 11)} << 32 | random_bits(key, 12)));
  const double u = stream.uniform();
  CHECK(u == static_cast<double>((uint64_t{random_bits(key, 13)} << 32 | random_bits(key, 14)) >> 11) * 0x1p-53);
}

TEST_CASE("below hits every number about equally, shuffle is a permutation") {
  RandomStream stream({.seed = 4});
  std::vector<int> hits(7);
  for (int i = 0; i < 14000; ++i) ++hits[static_cast<size_t>(stream.below(7))];
  for (const int h : hits) CHECK(std::abs(h - 2000) < 5 * std::sqrt(2000.0));
  // Without rejection every third number would come up as often as the two behind it together.
  constexpr int64_t kUneven = 3 * (int64_t{1} << 61);
  std::vector<int> thirds(3);
  for (int i = 0; i < 6000; ++i) ++thirds[static_cast<size_t>(stream.below(kUneven) % 3)];
  for (const int h : thirds) CHECK(std::abs(h - 2000) < 5 * std::sqrt(2000.0));
  CHECK(stream.below(1) == 0);
  CHECK(stream.below(INT64_MAX) >= 0);

  std::vector<int> items(100), sorted(100);
  std::iota(items.begin(), items.end(), 0);
  sorted = items;
  stream.shuffle(items);
  CHECK(items != sorted);
  std::ranges::sort(items);
  CHECK(items == sorted);
}

TEST_CASE("random refuses what it cannot do") {
  const Tensor x = zeros({2, 3}, DType::F32);
  CHECK_THROWS_WITH_AS(random_uniform(x.transpose(0, 1), 0, 1, {}),
                       "random_uniform: x must be contiguous, got strides [1, 3] for F32 [3, 2] on CPU", Error);
  CHECK_THROWS_WITH_AS(random_uniform(x, 1, 0, {}), "random_uniform: low must not exceed high, got [1, 0)", Error);
  CHECK_THROWS_WITH_AS(random_normal(zeros({2}, DType::I32), 0, 1, {}),
                       "random_normal: dtype must be F64, F32 or BF16, got I32", Error);
  CHECK_THROWS_WITH_AS(random_normal(x, 0, -1, {}), "random_normal: stddev must not be negative, got -1", Error);
  CHECK_THROWS_WITH_AS(RandomStream({}).below(0), "below: n must be positive, got 0", Error);
}
