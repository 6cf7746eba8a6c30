#include "data/recall.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "tensor/error.h"
#include "tensor/transfer.h"
#include "tests/data/same_batch.h"

using namespace matmix;
using namespace matmix::data;
using matmix::testing::is_made_of_rows;
using matmix::testing::same_batch;

TEST_CASE("each query's target is the value shown after its key") {
  for (const RecallOptions& options : {RecallOptions{}, RecallOptions{.pairs = 12, .queries = 12},
                                       RecallOptions{.pairs = 3, .queries = 5, .keys = 3, .values = 1}}) {
    const Recall recall(options);
    const int64_t L = recall.form().L, mask = options.keys + options.values;
    CHECK(L == 2 * (options.pairs + options.queries));
    CHECK(recall.form().vocab_size == mask + 1);
    const Batch batch = recall.train(0, 50);
    CHECK(batch.runs.is_full());
    CHECK(batch.targets == 50 * options.queries);
    CHECK(batch.labels.numel() == batch.targets);
    const int64_t* ids = batch.ids.data<int64_t>();
    for (int64_t k = 0; k < batch.targets; ++k) {
      const int64_t at = batch.positions.data<int64_t>()[k], row = at / L * L;
      CHECK(at % L > 2 * options.pairs);
      CHECK(ids[at] == mask);
      std::map<int64_t, int64_t> values;
      for (int64_t p = 0; p < options.pairs; ++p) values[ids[row + 2 * p]] = ids[row + 2 * p + 1];
      CHECK(static_cast<int64_t>(values.size()) == options.pairs);
      REQUIRE(values.contains(ids[at - 1]));
      CHECK(values[ids[at - 1]] == batch.labels.data<int64_t>()[k]);
      for (const auto& [key, value] : values) {
        CHECK((key >= 0 && key < options.keys));
        CHECK((value >= options.keys && value < mask));
      }
    }
  }
}

TEST_CASE("rows are made on the fly from seed and index") {
  const Recall recall({.seed = 4});
  CHECK(is_made_of_rows(recall, 17, 6));
  CHECK(same_batch(recall.train(5, 3), Recall({.seed = 4}).train(5, 3)));
  CHECK(!same_batch(recall.train(5, 3), recall.train(6, 3)));
  CHECK(!same_batch(recall.train(5, 3), Recall({.seed = 5}).train(5, 3)));
  CHECK(!same_batch(recall.train(0, 3), recall.heldout(0, 3)));
  CHECK(same_batch(recall.heldout(0, 3), recall.heldout(0, 3)));
}

TEST_CASE("keys, values and queries are drawn evenly") {
  const Recall recall({.pairs = 4, .queries = 4, .keys = 8, .values = 8});
  const std::vector<int64_t> ids = to_vector<int64_t>(recall.train(0, 2000).ids);
  std::map<int64_t, int> shown, asked;
  for (size_t i = 0; i < ids.size(); ++i) ++(i % 16 < 8 ? shown : asked)[ids[i]];
  for (int64_t id = 0; id < 16; ++id) CHECK(std::abs(shown[id] - 1000) < 130);  // four standard deviations
  for (int64_t id = 0; id < 8; ++id) CHECK(std::abs(asked[id] - 1000) < 130);
}

TEST_CASE("chance is the log of the number of values") {
  CHECK(Recall({}).context_free_loss() == doctest::Approx(4.1589).epsilon(1e-4));
  CHECK(Recall({}).heldout_rows() == 512);
  CHECK(Recall({}).digest() != Recall({.pairs = 12}).digest());
}

TEST_CASE("impossible tasks are refused") {
  CHECK_THROWS_WITH_AS(Recall({.pairs = 0}), "Recall: pairs must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(Recall({.queries = 0}), "Recall: queries must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(Recall({.pairs = 9, .keys = 8}), "Recall: keys must be at least pairs = 9, got 8", Error);
  CHECK_THROWS_WITH_AS(Recall({.values = 0}), "Recall: values must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(Recall({.heldout_rows = 0}), "Recall: heldout_rows must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(Recall({.values = int64_t{1} << 31}),
                       "Recall: keys and values must be at most 1073741824, got 64 and 2147483648", Error);
}
