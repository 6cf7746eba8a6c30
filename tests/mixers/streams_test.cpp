#include "mixers/streams.h"

#include <doctest/doctest.h>

#include "tensor/compare.h"
#include "tensor/create.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

namespace {

const Runs kPacked = Runs::of(2, 5, {{0, 0, 2}, {0, 3, 2}, {1, 1, 4}});

Streams example(const Tensor& tokens, const Tensor& table) {
  Streams c(DType::F64, kCpu);
  c.put_tokens("q", tokens);
  c.put_positions("t", table);
  return c;
}

}  // namespace

TEST_CASE("streams of runs: tokens from their place, tables from position 0") {
  const Tensor tokens = random_tensor({2, 5, 3}, 1), table = random_tensor({1, 6, 2}, 2);
  const Streams cut = example(tokens, table).of_runs(kPacked, {{0, 0, 2}, {0, 3, 2}});
  const Tensor want = zeros({2, 2, 3}, DType::F64);
  copy(want.select(0, 0), tokens.select(0, 0).narrow(0, 0, 2));
  copy(want.select(0, 1), tokens.select(0, 0).narrow(0, 3, 2));
  CHECK(same_bits(cut["q"].value(), want));
  CHECK(same_bits(cut["t"].value(), table.narrow(1, 0, 2)));
}

TEST_CASE("by token: a table is laid out along the runs") {
  const Tensor tokens = random_tensor({2, 5, 3}, 1), table = random_tensor({1, 6, 2}, 2);
  const Tensor laid = example(tokens, table).by_token(kPacked)["t"].value();
  CHECK(laid.shape() == Shape{2, 5, 2});
  const Tensor row = table.select(0, 0);
  for (const Run& r : kPacked.all())
    CHECK(same_bits(laid.select(0, r.row).narrow(0, r.start, r.length), row.narrow(0, 0, r.length)));
  const Tensor full = example(tokens, table).by_token(Runs::full(2, 5))["t"].value();
  CHECK(same_bits(full.select(0, 1), row.narrow(0, 0, 5)));
}

TEST_CASE("an unknown stream is named beside those present") {
  const Streams c = example(random_tensor({2, 5, 3}, 1), random_tensor({1, 6, 2}, 2));
  CHECK(c.contains("q"));
  CHECK_FALSE(c.contains("k"));
  CHECK_THROWS_WITH_AS(c["k"], "streams: there is no 'k'; there are: q, t", Error);
}
