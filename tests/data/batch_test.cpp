#include "data/batch.h"

#include <doctest/doctest.h>

#include "tensor/error.h"
#include "tensor/transfer.h"

using namespace matmix;
using namespace matmix::data;

namespace {

constexpr RowForm kForm{.L = 4, .targets = 2, .vocab_size = 10, .pad = 9};

Batch batch_of(const std::vector<Row>& rows) { return make_batch(rows, kForm); }

}  // namespace

TEST_CASE("rows are stacked, padded on the right, and their targets numbered in the flat batch") {
  const Batch batch = batch_of({{{1, 2, 3}, {2, 1}, {{0, 7}, {2, 8}}}, {}, {{4, 5, 6, 7}, {4}, {{3, 1}}}});
  CHECK(batch.ids.shape() == Shape{3, 4});
  CHECK(batch.ids.dtype() == DType::I64);
  CHECK(to_vector<int64_t>(batch.ids) == std::vector<int64_t>{1, 2, 3, 9, 9, 9, 9, 9, 4, 5, 6, 7});
  CHECK(to_vector<int64_t>(batch.positions) == std::vector<int64_t>{0, 2, 4, 4, 11, 8});
  CHECK(to_vector<int64_t>(batch.labels) == std::vector<int64_t>{7, 8, kIgnore, kIgnore, 1, kIgnore});
  CHECK(batch.runs.all() == std::vector<Run>{{0, 0, 2}, {0, 2, 1}, {2, 0, 4}});
  CHECK(!batch.runs.is_full());
  CHECK(batch.tokens == 7);
  CHECK(batch.targets == 3);
}

TEST_CASE("rows without padding make full runs") {
  CHECK(batch_of({{{1, 2, 3, 4}, {4}, {}}, {{1, 2, 3, 4}, {4}, {}}}).runs.is_full());
  CHECK(!batch_of({{{1, 2, 3, 4}, {2, 2}, {}}}).runs.is_full());
}

TEST_CASE("rows that do not fit the form are refused") {
  CHECK_THROWS_WITH_AS(batch_of({{{1, 2, 3, 4, 5}, {5}, {}}}), "make_batch: a row must have at most 4 tokens, got 5",
                       Error);
  CHECK_THROWS_WITH_AS(batch_of({{{1, 2}, {1}, {}}}),
                       "make_batch: run_lengths must add up to the row's 2 tokens, got 1", Error);
  CHECK_THROWS_WITH_AS(batch_of({{{1}, {1}, {{0, 1}, {0, 1}, {0, 1}}}}),
                       "make_batch: a row must have at most 2 targets, got 3", Error);
  CHECK_THROWS_WITH_AS(batch_of({{{1}, {1}, {{1, 1}}}}), "make_batch: target positions must be in [0, 1), got 1",
                       Error);
}
