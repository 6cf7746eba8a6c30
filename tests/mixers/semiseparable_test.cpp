#include "mixers/semiseparable.h"

#include <doctest/doctest.h>

#include <cmath>

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

}  // namespace

TEST_CASE("every option: fast equals explicit, initial states included") {
  for (const StateDecay decay : {StateDecay::kScalar, StateDecay::kDiagonal, StateDecay::kComplex})
    for (const Diagonal diagonal : {Diagonal::kNone, Diagonal::kConstant, Diagonal::kPerHead, Diagonal::kProjected})
      for (const bool flag : {false, true}) {
        Semiseparable mixer(kShape, {.groups = 2,
                                     .state = 4,
                                     .decay = decay,
                                     .bc_stream = !flag,
                                     .step_stream = !flag,
                                     .diagonal = diagonal,
                                     .initial_states = true,
                                     .reverse = flag,
                                     .Q = 4});
        const nn::ParameterStore store(mixer, kCpu, MathMode::kF64, 1);
        random_normal(store.master(), 0, 0.5, {.seed = 4});
        const Runs runs = Runs::of(2, 9, {{0, 0, 9}, {1, 1, 3}, {1, 4, 5}});
        Streams c(DType::F64, kCpu);
        uint64_t seed = 10;
        for (const Stream& s : mixer.streams()) c.put_tokens(s.name, random_tensor(Shape{2, 9} + s.per_token, seed++));
        const Tensor v = random_tensor({2, 9, 4, 3}, 2);
        const Var M = mixer.matrix(c, runs);
        const Var want = permute(matmul(M, permute(v, {0, 2, 1, 3})), {0, 2, 1, 3}) + mixer.offset(c, runs, v);
        CHECK(relative_error(mixer.mix(c, v, runs).value(), want.value()) < 1e-13);
      }
}

TEST_CASE("without streams M is Toeplitz") {
  Semiseparable mixer(kShape, {.state = 4, .decay = StateDecay::kComplex, .bc_stream = false, .step_stream = false});
  const nn::ParameterStore store(mixer, kCpu, MathMode::kF64, 1);
  CHECK(mixer.streams().empty());
  const Tensor M = mixer.matrix(Streams(DType::F64, kCpu), Runs::full(1, 12)).value();
  CHECK(relative_error(M.narrow(2, 1, 11).narrow(3, 1, 11), M.narrow(2, 0, 11).narrow(3, 0, 11)) < 1e-14);
}

TEST_CASE("initial values follow their papers, and weight decay spares them") {
  Semiseparable mixer({.D = 512, .H = 256, .P = 2}, {.state = 8, .decay = StateDecay::kComplex, .bc_stream = false});
  const nn::ParameterStore store(mixer, kCpu, MathMode::kF64, 1);
  for (const auto& e : store.entries()) {
    CHECK_FALSE(e.group.decay);
    for (const double x : to_vector<double>(nn::ParameterStore::part(store.master(), e))) {
      if (e.path == "D" || e.path == "B") CHECK(x == 1);
      if (e.path == "A_log") CHECK(std::exp(x) == doctest::Approx(0.5));
      if (e.path == "A_im") CHECK((x >= 0 && x <= 4 * 3.1416));
      if (e.path == "dt_bias") CHECK((std::log1p(std::exp(x)) > 0.999e-3 && std::log1p(std::exp(x)) < 0.1001));
    }
  }
}

TEST_CASE("a state is carried from left to right, one token at a time or many") {
  const Semiseparable reverse(kShape, {.state = 4, .reverse = true}), mixer(kShape, {.state = 4});
  const Var v = zeros({2, 3, 4, 3}, DType::F64);
  const Streams none(DType::F64, kCpu);
  CHECK_THROWS_WITH_AS(reverse.carry(none, v, Var()),
                       "semiseparable: a state is carried from left to right, this one walks from right to left",
                       Error);
  CHECK_THROWS_WITH_AS(mixer.step(none, v, Var()), "semiseparable: a step is of one token, got F64 [2, 3, 4, 3] on CPU",
                       Error);
}

TEST_CASE("groups must divide heads, and a complex state is even") {
  CHECK_THROWS_WITH_AS(Semiseparable(kShape, {.groups = 3}), "semiseparable: groups must divide the 4 heads, got 3",
                       Error);
  CHECK_THROWS_WITH_AS(Semiseparable(kShape, {.state = 3, .decay = StateDecay::kComplex}),
                       "semiseparable: a complex state needs two numbers each, so state must be even, got 3", Error);
}
