#include "mixers/linformer.h"

#include <doctest/doctest.h>

#include "nn/parameter_store.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

namespace {

constexpr BlockShape kShape{.D = 1, .H = 1, .P = 1};

/// Of width E a token.
Streams streams(const std::vector<double>& q, const std::vector<double>& k, int64_t E = 1) {
  const auto L = static_cast<int64_t>(q.size()) / E;
  Streams c(DType::F64, kCpu);
  c.put_tokens("q", from_vector(q, {1, L, 1, E}));
  c.put_tokens("k", from_vector(k, {1, L, 1, E}));
  return c;
}

}  // namespace

TEST_CASE("softmax attention to the projected keys and values, by hand") {
  Linformer mixer(kShape, {.qk_dim = 4, .rank = 2, .max_len = 3});
  const nn::ParameterStore store(mixer, kCpu, MathMode::kF64, 1);
  for (const auto& e : store.entries())
    copy(nn::ParameterStore::part(store.master(), e),
         from_vector<double>(
             e.path == "E" ? std::vector<double>{1, 0, 9, 0, 2, 9} : std::vector<double>{1, 2, 9, 3, 4, 9}, {2, 3}));
  // Two tokens: E k = (2, 8) in the first of four widths, (0, 4) in the last; F v = (50, 110). Scores of q over sqrt(4):
  // 0 and 0 for the first token, (0.5 2 + 1 0) / 2 and (0.5 8 + 1 4) / 2 for the second.
  const Streams c = streams({0, 0, 0, 0, 0.5, 0, 0, 1}, {2, 0, 0, 0, 4, 3, 0, 2}, 4);
  const Tensor v = from_vector<double>({10, 20}, {1, 2, 1, 1});
  const std::vector<double> y = to_vector<double>(mixer.mix(c, v, Runs::full(1, 2)).value());
  const double a = std::exp(0.5), b = std::exp(4.0);
  CHECK(y[0] == doctest::Approx(80));
  CHECK(y[1] == doctest::Approx((50 * a + 110 * b) / (a + b)));
  const std::vector<double> M = to_vector<double>(mixer.matrix(c, Runs::full(1, 2)).value());
  CHECK(M[0] == doctest::Approx(2));
  CHECK(M[3] == doctest::Approx((2 * a + 4 * b) / (a + b)));
}

TEST_CASE("what it refuses") {
  Linformer mixer(kShape, {.qk_dim = 1, .rank = 2, .max_len = 3});
  const std::vector<double> four(4);
  CHECK_THROWS_WITH_AS(mixer.mix(streams(four, four), zeros({1, 4, 1, 1}, DType::F64), Runs::full(1, 4)),
                       "linformer: runs must have at most 3 tokens, got 4", Error);
  CHECK_THROWS_WITH_AS(Linformer(kShape, {.rank = 0}),
                       "linformer: qk_dim, rank and max_len must be positive, got 16, 0 and 512", Error);
}
