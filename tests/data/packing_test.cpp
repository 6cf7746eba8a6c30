#include "data/packing.h"

#include <doctest/doctest.h>

#include <numeric>

#include "tensor/error.h"
#include "tensor/random.h"

using namespace matmix;
using namespace matmix::data;

TEST_CASE("each sequence goes to the oldest row with room") {
  const std::vector<int64_t> lengths = {5, 6, 3, 2, 4, 8}, order = {0, 1, 2, 3, 4, 5};
  CHECK(pack_rows(lengths, order, 8) == Packing{{0, 2}, {1, 3}, {4}, {5}});
  const std::vector<int64_t> reversed = {5, 4, 3, 2, 1, 0};
  CHECK(pack_rows(lengths, reversed, 8) == Packing{{5}, {4, 3}, {2, 0}, {1}});
  CHECK(pack_rows(lengths, {}, 8).empty());
}

TEST_CASE("every sequence is in one row, no row overflows, and little is lost") {
  RandomStream random({.seed = 2});
  std::vector<int64_t> lengths(5000), order(5000);
  for (int64_t& length : lengths) length = 1 + random.below(100);
  std::iota(order.begin(), order.end(), 0);
  const Packing rows = pack_rows(lengths, order, 256);
  std::vector<int> seen(lengths.size(), 0);
  int64_t tokens = 0;
  for (const std::vector<int64_t>& row : rows) {
    int64_t used = 0;
    for (const int64_t i : row) {
      ++seen[static_cast<size_t>(i)];
      used += lengths[static_cast<size_t>(i)];
    }
    CHECK(used <= 256);
    tokens += used;
  }
  for (const int count : seen) REQUIRE(count == 1);
  CHECK(static_cast<double>(tokens) > 0.97 * 256 * static_cast<double>(rows.size()));
}

TEST_CASE("rows too far back are closed") {
  std::vector<int64_t> lengths(kOpenRows + 2, 6), order(kOpenRows + 2);
  std::iota(order.begin(), order.end(), 0);
  lengths.back() = 2;
  const Packing rows = pack_rows(lengths, order, 8);
  CHECK(rows[0] == std::vector<int64_t>{0});
  CHECK(rows[1] == std::vector<int64_t>{1, static_cast<int64_t>(kOpenRows) + 1});
}

TEST_CASE("lengths that fit no row are refused") {
  const std::vector<int64_t> order = {0};
  CHECK_THROWS_WITH_AS(pack_rows(std::vector<int64_t>{9}, order, 8), "pack_rows: lengths must be in [1, 8], got 9",
                       Error);
  CHECK_THROWS_WITH_AS(pack_rows(std::vector<int64_t>{0}, order, 8), "pack_rows: lengths must be in [1, 8], got 0",
                       Error);
}
