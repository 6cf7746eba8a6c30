#include "mixers/low_rank.h"

#include <doctest/doctest.h>

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

constexpr FeatureMap kMaps[] = {FeatureMap::kNone, FeatureMap::kEluPlusOne, FeatureMap::kRelu, FeatureMap::kExp};

Streams draw(int64_t B, int64_t L, int64_t H, int64_t E) {
  Streams c(DType::F64, kCpu);
  c.put_tokens("q", random_tensor({B, L, H, E}, 1));
  c.put_tokens("k", random_tensor({B, L, H, E}, 2));
  return c;
}

}  // namespace

TEST_CASE("every feature map, with and without normaliser: fast equals explicit on packed runs") {
  for (const FeatureMap features : kMaps)
    for (const bool normalise : {false, true}) {
      if (normalise && (features == FeatureMap::kNone || features == FeatureMap::kRelu)) continue;
      LowRank mixer({.D = 12, .H = 4, .P = 3}, {.qk_dim = 2, .features = features, .normalise = normalise});
      const Runs runs = Runs::of(2, 9, {{0, 0, 9}, {1, 1, 3}, {1, 4, 5}});
      const Streams c = draw(2, 9, 4, 2);
      const Tensor v = random_tensor({2, 9, 4, 3}, 3);
      const Var want = permute(matmul(mixer.matrix(c, runs), permute(v, {0, 2, 1, 3})), {0, 2, 1, 3});
      CHECK(relative_error(mixer.mix(c, v, runs).value(), want.value()) <= tolerance(DType::F64, 50));
    }
}

TEST_CASE("what each map does to q and k") {
  const auto entry = [](FeatureMap features, double q, double k) {
    LowRank mixer({.D = 1, .H = 1, .P = 1}, {.qk_dim = 1, .scale_len = 4, .features = features});
    Streams c(DType::F64, kCpu);
    c.put_tokens("q", full({1, 1, 1, 1}, q, DType::F64));
    c.put_tokens("k", full({1, 1, 1, 1}, k, DType::F64));
    return item<double>(mixer.matrix(c, Runs::full(1, 1)).value());
  };
  CHECK(entry(FeatureMap::kNone, -3, 2) == -3);
  CHECK(entry(FeatureMap::kRelu, 3, 2) == 3);
  CHECK(entry(FeatureMap::kRelu, -3, 2) == 0);
  CHECK(entry(FeatureMap::kEluPlusOne, 3, 0) == 2);
  CHECK(entry(FeatureMap::kEluPlusOne, -1, 1) == doctest::Approx(std::exp(-1)));
  CHECK(entry(FeatureMap::kExp, -1, 3) == doctest::Approx(std::exp(2) / 2));
}

TEST_CASE("normalised rows sum to 1") {
  LowRank mixer({.D = 4, .H = 2, .P = 2}, {.features = FeatureMap::kExp, .normalise = true});
  const Tensor y = mixer.mix(draw(1, 6, 2, 16), full({1, 6, 2, 2}, 1, DType::F64), Runs::full(1, 6)).value();
  CHECK(relative_error(y, full(y.shape(), 1, DType::F64)) < 1e-9);
}

TEST_CASE("options that make no matrix are refused") {
  const BlockShape shape{.D = 4, .H = 2, .P = 2};
  CHECK_THROWS_WITH_AS(LowRank(shape, {.features = FeatureMap::kRelu, .normalise = true}),
                       "low_rank: a normaliser needs positive features: elu + 1 or exp", Error);
  CHECK_THROWS_WITH_AS(LowRank(shape, {.qk_dim = 0}), "low_rank: qk_dim and scale_len must be positive, got 0 and 512",
                       Error);
}
