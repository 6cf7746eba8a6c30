#include "tensor/runs.h"

#include <doctest/doctest.h>

#include "tensor/transfer.h"
#include "tests/support/devices.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

using Ints = std::vector<int64_t>;

Ints ints(const Tensor& x) { return to_vector<int64_t>(x); }

}  // namespace

TEST_CASE("a full batch is one run a row") {
  const Runs runs = Runs::full(2, 3);
  CHECK(runs.B() == 2);
  CHECK(runs.L() == 3);
  CHECK(runs.is_full());
  CHECK(runs.tokens() == 6);
  CHECK(runs.all() == std::vector<Run>{{0, 0, 3}, {1, 0, 3}});
  CHECK(ints(runs.id(kCpu)) == Ints{0, 0, 0, 1, 1, 1});
  CHECK(ints(runs.position(kCpu)) == Ints{0, 1, 2, 0, 1, 2});
}

TEST_CASE("an empty length or batch is full and has no runs") {
  for (const auto& [B, L] : {std::pair{2, 0}, {0, 3}, {0, 0}}) {
    const Runs runs = Runs::full(B, L);
    CHECK(runs.is_full());
    CHECK(runs.all().empty());
    CHECK(runs.id(kCpu).shape() == Shape{B, L});
    CHECK(runs.chunks(4, kCpu).shape() == Shape{0, 5});
  }
}

TEST_CASE("packed and padded rows: runs are sorted, tokens know their run and position") {
  const Runs runs = Runs::of(3, 6, {{2, 1, 4}, {0, 3, 2}, {0, 0, 3}});
  CHECK(runs.all() == std::vector<Run>{{0, 0, 3}, {0, 3, 2}, {2, 1, 4}});
  CHECK_FALSE(runs.is_full());
  CHECK(runs.tokens() == 9);
  for (const Device device : test_devices()) {
    CHECK(runs.id(device).dtype() == DType::I32);
    CHECK(runs.id(device).device() == device);
    CHECK(ints(runs.id(device)) == Ints{0, 0, 0, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 2, 2, 2, -1});
    CHECK(ints(runs.position(device)) == Ints{0, 1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0});
    CHECK(ints(runs.chunks(2, device)) == Ints{0, 0, 2, 0, 2,  //
                                               0, 2, 1, 0, 2,  //
                                               0, 3, 2, 2, 3,  //
                                               2, 1, 2, 3, 5,  //
                                               2, 3, 2, 3, 5});
    CHECK(runs.chunks(2, device).dtype() == DType::I64);
    CHECK(ints(runs.chunks(100, device)).size() == 15);
  }
}

TEST_CASE("the mask is true in runs and false at padding") {
  for (const Device device : test_devices()) {
    const Tensor mask = Runs::of(2, 4, {{0, 1, 2}, {1, 0, 1}, {1, 1, 2}}).mask(device);
    CHECK(mask.dtype() == DType::Bool);
    CHECK(mask.shape() == Shape{2, 4});
    CHECK(to_vector<int64_t>(mask) == std::vector<int64_t>{0, 1, 1, 0, 1, 1, 1, 0});
  }
}

TEST_CASE("two runs that fill a row are not a full batch") {
  CHECK_FALSE(Runs::of(1, 4, {{0, 0, 2}, {0, 2, 2}}).is_full());
  CHECK_FALSE(Runs::of(2, 4, {{0, 0, 4}}).is_full());
  CHECK(Runs::of(2, 4, {{1, 0, 4}, {0, 0, 4}}).is_full());
}

TEST_CASE("of_lengths pads on the right; a length of 0 is all padding") {
  const Runs runs = Runs::of_lengths(4, {2, 0, 4});
  CHECK(runs.B() == 3);
  CHECK(runs.all() == std::vector<Run>{{0, 0, 2}, {2, 0, 4}});
}

TEST_CASE("tables are made once and shared by copies") {
  const Runs runs = Runs::full(2, 5), copy = runs;
  CHECK(runs.id(kCpu).same_view_as(copy.id(kCpu)));
  CHECK(runs.chunks(2, kCpu).same_view_as(copy.chunks(2, kCpu)));
  CHECK_FALSE(runs.chunks(2, kCpu).shares_storage_with(runs.chunks(3, kCpu)));
}

TEST_CASE("runs that are empty, outside or overlapping are refused") {
  CHECK_THROWS_WITH_AS(Runs::of(1, 4, {{0, 1, 0}}), "runs: a run must not be empty, got (0, 1, 0)", Error);
  CHECK_THROWS_WITH_AS(Runs::of(1, 4, {{0, 2, 3}}),
                       "runs: a run (row, start, length) must lie in [1, 4], got (0, 2, 3)", Error);
  CHECK_THROWS_AS(Runs::of(1, 4, {{1, 0, 1}}), Error);
  CHECK_THROWS_AS(Runs::of(1, 4, {{-1, 0, 1}}), Error);
  CHECK_THROWS_AS(Runs::of(1, 4, {{0, -1, 2}}), Error);
  CHECK_THROWS_AS(Runs::of(1, 4, {{0, 1, INT64_MAX}}), Error);
  CHECK_THROWS_WITH_AS(Runs::of(1, 4, {{0, 0, 3}, {0, 2, 2}}),
                       "runs: runs must not overlap, got (0, 0, 3) and (0, 2, 2)", Error);
  CHECK_THROWS_AS(Runs::of_lengths(4, {5}), Error);
  CHECK_THROWS_AS(Runs::of_lengths(4, {-1}), Error);
  CHECK_THROWS_WITH_AS(Runs::of(-1, 4, {}), "runs: B and L must not be negative, got -1 and 4", Error);
  CHECK_THROWS_AS(Runs::full(-1, 4), Error);
  CHECK_THROWS_WITH_AS(Runs::full(65536, 32768), "runs: B x L must fit in 31 bits, got 65536 x 32768", Error);
  CHECK_THROWS_WITH_AS(Runs::full(1, 2).chunks(0, kCpu), "runs: Q must be positive, got 0", Error);
}
