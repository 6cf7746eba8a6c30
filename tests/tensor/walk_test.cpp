#include "tensor/walk.h"

#include <doctest/doctest.h>

#include <mutex>
#include <set>

#include "tensor/tiles.h"
#include "tests/support/indices.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

using Pairs = std::multiset<std::pair<int64_t, int64_t>>;

/// The pairs of offsets that a walk visits.
Pairs visited(const Shape& shape, const Shape& a, const Shape& b) {
  Pairs pairs;
  for_each_index(shape, [&](const Shape& i) {
    int64_t at = 0, from = 0;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      at += i[axis] * a[axis];
      from += i[axis] * b[axis];
    }
    pairs.emplace(at, from);
  });
  return pairs;
}

const struct {
  Shape shape, a, b;
  int rank;
} kCases[] = {
    {{}, {}, {}, 0},
    {{1, 1}, {7, 9}, {3, 1}, 0},
    {{4, 5, 6}, {30, 6, 1}, {30, 6, 1}, 1},
    {{4, 5, 6}, {30, 6, 1}, {60, 6, 1}, 2},
    {{6, 4, 5}, {1, 30, 6}, {1, 30, 6}, 1},
    {{4, 5, 6}, {30, 6, 1}, {1, 4, 20}, 3},
    {{4, 1, 6}, {6, 0, 1}, {1, 77, 4}, 2},
    {{4, 5, 6}, {0, 0, 1}, {30, 6, 1}, 2},
    {{70, 3, 50}, {150, 50, 1}, {1, 70, 210}, 3},
    {{2, 2, 2, 2, 2, 2, 2, 2}, {1, 4, 16, 64, 2, 8, 32, 128}, {128, 32, 8, 2, 64, 16, 4, 1}, 8},
};

}  // namespace

TEST_CASE("collapse visits the same pairs with as few axes as there are") {
  for (const auto& [shape, a, b, rank] : kCases) {
    CAPTURE(shape);
    const Walk walk = collapse(shape, a, b);
    CHECK(walk.shape.rank() == rank);
    CHECK(visited(walk.shape, walk.a, walk.b) == visited(shape, a, b));
    for (int i = 1; i < rank; ++i) CHECK(walk.a[i - 1] >= walk.a[i]);
  }
}

TEST_CASE("as_matrices visits the same pairs, with rows dense in b where columns are dense in a") {
  for (const auto& [shape, a, b, rank] : kCases) {
    const Walk walk = as_matrices(collapse(shape, a, b));
    CHECK(walk.shape.rank() == std::max(2, rank));
    CHECK(visited(walk.shape, walk.a, walk.b) == visited(shape, a, b));
  }
  const Walk walk = as_matrices(collapse({70, 3, 50}, {150, 50, 1}, {1, 70, 210}));
  CHECK(walk.a[2] == 1);
  CHECK(walk.b[1] == 1);
}

TEST_CASE("tiles cover a walk once, whatever their size") {
  for (const auto& [shape, a, b, rank] : kCases)
    for (const auto& [most, cols] : {std::pair<int64_t, int64_t>{1, 1}, {7, 3}, {64, 1000}, {100000, 100000}}) {
      Pairs pairs;
      std::mutex mutex;
      for_each_tile(collapse(shape, a, b), most, cols, int64_t{1} << 40, [&, m = most, c = cols](const Tile& tile) {
        const std::lock_guard lock(mutex);
        CHECK(tile.rows * tile.cols <= m);
        CHECK(tile.cols <= c);
        for (int64_t i = 0; i < tile.rows; ++i)
          for (int64_t j = 0; j < tile.cols; ++j)
            pairs.emplace(tile.a + i * tile.a_row + j * tile.a_col, tile.b + i * tile.b_row + j * tile.b_col);
      });
      CHECK(pairs == visited(shape, a, b));
    }
}
