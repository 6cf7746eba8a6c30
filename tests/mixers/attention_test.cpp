#include "mixers/attention.h"

#include <doctest/doctest.h>

#include <cmath>

#include "nn/parameter_store.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/tolerance.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

namespace {

constexpr BlockShape kShape{.D = 12, .H = 4, .P = 3};

Streams draw(int64_t B, int64_t L, int64_t E) {
  Streams c(DType::F64, kCpu);
  c.put_tokens("q", random_tensor({B, L, kShape.H, E}, 1));
  c.put_tokens("k", random_tensor({B, L, kShape.H, E}, 2));
  return c;
}

Tensor explicit_product(const Mixer& mixer, const Streams& c, const Var& v, const Runs& runs) {
  return permute(matmul(mixer.matrix(c, runs), permute(v, {0, 2, 1, 3})), {0, 2, 1, 3}).value();
}

}  // namespace

TEST_CASE("attention mixer: fast equals explicit on full and packed rows") {
  for (const bool causal : {false, true}) {
    Attention mixer(kShape, {.qk_dim = 5, .causal = causal});
    const Streams c = draw(2, 9, 5);
    const Tensor v = random_tensor({2, 9, 4, 3}, 3);
    for (const Runs& runs : {Runs::full(2, 9), Runs::of(2, 9, {{0, 0, 9}, {1, 1, 3}, {1, 4, 5}})})
      CHECK(relative_error(mixer.mix(c, v, runs).value(), explicit_product(mixer, c, v, runs)) <=
            tolerance(DType::F64, 50));
  }
}

TEST_CASE("attention mixer: the weight of a pair is exp(q . k / sqrt(qk_dim)), rows sum to 1") {
  Attention mixer({.D = 1, .H = 1, .P = 1}, {.qk_dim = 4});
  Streams c(DType::F64, kCpu);
  c.put_tokens("q", from_vector<double>({0, 0, 0, 0, 1, 2, 0, 0}, {1, 2, 1, 4}));
  c.put_tokens("k", from_vector<double>({2, 0, 5, 0, 0, 2, 0, 9}, {1, 2, 1, 4}));
  const auto M = to_vector<double>(mixer.matrix(c, Runs::full(1, 2)).value());
  const double first = 1 / (1 + std::exp(1.0));  // scores 2 / 2 and 4 / 2
  const double want[] = {0.5, 0.5, first, 1 - first};
  for (int i = 0; i < 4; ++i) CHECK(M[i] == doctest::Approx(want[i]));
}

TEST_CASE("attention mixer: a table of q and k serves every row and run") {
  Attention mixer(kShape, {.qk_dim = 5});
  Streams c(DType::F64, kCpu);
  for (const char* name : {"q", "k"}) c.put_positions(name, random_tensor({1, 12, kShape.H, 5}, name[0]));
  const Tensor v = random_tensor({2, 9, 4, 3}, 3);
  for (const Runs& runs : {Runs::full(2, 9), Runs::of(2, 9, {{0, 0, 9}, {1, 1, 3}, {1, 4, 5}})})
    CHECK(relative_error(mixer.mix(c, v, runs).value(), explicit_product(mixer, c, v, runs)) <=
          tolerance(DType::F64, 50));
}

TEST_CASE("attention mixer: only v is activated; a width that cannot be is refused") {
  const std::vector<Stream> streams = Attention(kShape, {.qk_dim = 5}).streams();
  REQUIRE(streams.size() == 2);
  for (const Stream& s : streams) {
    CHECK(s.route == Route::kConv);
    CHECK(s.per_token == Shape{4, 5});
  }
  CHECK_THROWS_WITH_AS(Attention(kShape, {.qk_dim = 0}), "attention: qk_dim must be positive, got 0", Error);
}
