#include "mixers/quasiseparable.h"

#include <doctest/doctest.h>

#include "mixers/coefficients.h"
#include "nn/parameter_store.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

namespace {

constexpr BlockShape kShape{.D = 12, .H = 4, .P = 3};

Streams draw(const Quasiseparable& mixer, int64_t B, int64_t L) {
  Streams c(DType::F64, kCpu);
  uint64_t seed = 10;
  for (const Stream& s : mixer.streams()) c.put_tokens(s.name, random_tensor(Shape{B, L} + s.per_token, seed++));
  return c;
}

}  // namespace

TEST_CASE("every option: fast equals explicit, initial states included") {
  for (const Diagonal diagonal : {Diagonal::kNone, Diagonal::kConstant, Diagonal::kPerHead, Diagonal::kProjected})
    for (const bool flag : {false, true}) {
      Quasiseparable mixer(kShape, {.groups = 2,
                                    .state = 2,
                                    .shared_bc = flag,
                                    .shift = !flag,
                                    .diagonal = diagonal,
                                    .decay = !flag,
                                    .step_stream = !flag,
                                    .initial_states = true,
                                    .Q = 4});
      const nn::ParameterStore store(mixer, kCpu, MathMode::kF64, 1);
      random_normal(store.master(), 0, 0.5, {.seed = 4});
      const Runs runs = Runs::of(2, 9, {{0, 0, 9}, {1, 1, 3}, {1, 4, 5}});
      const Streams c = draw(mixer, 2, 9);
      const Tensor v = random_tensor({2, 9, 4, 3}, 2);
      const Var M = mixer.matrix(c, runs);
      const Var want = permute(matmul(M, permute(v, {0, 2, 1, 3})), {0, 2, 1, 3}) + mixer.offset(c, runs, v);
      CHECK(relative_error(mixer.mix(c, v, runs).value(), want.value()) < 1e-13);
    }
}

TEST_CASE("initial values follow Mamba-2, and decay spares them") {
  Quasiseparable mixer({.D = 512, .H = 256, .P = 2}, {.state = 2});
  const nn::ParameterStore store(mixer, kCpu, MathMode::kF64, 1);
  for (const auto& e : store.entries()) {
    CHECK_FALSE(e.group.decay);
    for (const double x : to_vector<double>(nn::ParameterStore::part(store.master(), e))) {
      if (e.path == "D") CHECK(x == 1);
      if (e.path == "A_log") CHECK((x >= 0 && x <= std::log(16)));
      if (e.path == "dt_bias") CHECK((std::log1p(std::exp(x)) > 0.999e-3 && std::log1p(std::exp(x)) < 0.1001));
    }
  }
}

TEST_CASE("groups must divide heads") {
  CHECK_THROWS_WITH_AS(Quasiseparable(kShape, {.groups = 3}), "quasiseparable: groups must divide the 4 heads, got 3",
                       Error);
}
