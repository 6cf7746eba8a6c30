#include "mixers/cauchy.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/backward.h"
#include "nn/parameter_store.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

namespace {

Streams of(const Var& q, const Var& k) {
  Streams c(DType::F64, kCpu);
  c.put_tokens("q", q);
  c.put_tokens("k", k);
  return c;
}

}  // namespace

TEST_CASE("cauchy: an entry, with and without bias, and the scale of another length") {
  const auto entry = [](bool with_bias, double sign) {
    Cauchy mixer({.D = 1, .H = 1, .P = 1}, {.qk_dim = 1, .scale_len = 4, .learned_bias = with_bias});
    nn::ParameterStore store(mixer, kCpu, MathMode::kF64, 0);
    if (with_bias) fill(store.master(), 0.5 * sign);
    const Streams c = of(full({1, 1, 1, 1}, 1, DType::F64), full({1, 1, 1, 1}, -2, DType::F64));
    return item<double>(mixer.matrix(c, Runs::full(1, 1)).value());
  };
  const double poles = std::exp(1) + std::exp(-2) + 1e-8;
  CHECK(entry(false, 1) == doctest::Approx(0.5 / poles).epsilon(1e-14));
  CHECK(entry(true, 1) == doctest::Approx(0.5 / (poles + 1)).epsilon(1e-14));
  CHECK(entry(true, -1) == entry(true, 1));
}

TEST_CASE("cauchy: a bias that drifts through 0 keeps a finite product and turns back") {
  Cauchy mixer({.D = 2, .H = 1, .P = 2}, {.qk_dim = 2});
  nn::ParameterStore store(mixer, kCpu, MathMode::kF64, 0);
  const Streams c = of(full({1, 9, 1, 2}, -40, DType::F64), full({1, 9, 1, 2}, -40, DType::F64));
  for (const double bias : {0.1, 1e-6, -1e-6, -0.1}) {
    fill(store.master(), bias);
    store.zero_grad();
    backward(mixer.mix(c, full({1, 9, 1, 2}, 1, DType::F64), Runs::full(1, 9)),
             {.seed = full({1, 9, 1, 2}, 1, DType::F64)});
    const double slope = item<double>(nn::ParameterStore::part(store.grad(), store.entries().front()));
    CHECK(std::isfinite(slope));
    CHECK(slope * bias < 0);  // M falls as |bias| grows
  }
}

TEST_CASE("cauchy: sums of rational terms on runs of unlike lengths") {
  Cauchy mixer({.D = 6, .H = 2, .P = 3}, {.qk_dim = 2, .learned_bias = false});
  const Runs runs = Runs::of(2, 400, {{0, 0, 400}, {1, 3, 300}, {1, 310, 5}});
  const Streams c = of(random_tensor({2, 400, 2, 2}, 1), random_tensor({2, 400, 2, 2}, 2));
  const Tensor v = random_tensor({2, 400, 2, 3}, 3);
  const Var want = permute(matmul(mixer.matrix(c, runs), permute(v, {0, 2, 1, 3})), {0, 2, 1, 3});
  CHECK(relative_error(mixer.mix(c, v, runs).value(), want.value()) <= mixer.traits().accuracy);
}

TEST_CASE("cauchy: errors") {
  CHECK_THROWS_WITH(Cauchy({.D = 1, .H = 1, .P = 1}, {.qk_dim = 0}),
                    "cauchy: qk_dim and scale_len must be positive, got 0 and 512");
}
