#include "mixers/bidirectional.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "autograd/backward.h"
#include "mixers/attention.h"
#include "mixers/semiseparable.h"
#include "nn/parameter_store.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/linear/linear.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

namespace {

constexpr BlockShape kShape{.D = 12, .H = 4, .P = 3};
constexpr int64_t kB = 2, kL = 9;

MixerMaker scan(bool reverse) {
  return [reverse](const BlockShape& s) {
    return std::make_unique<Semiseparable>(s, SemiseparableMixerOptions{.state = 2, .reverse = reverse, .Q = 4});
  };
}

/// The block without norm and gate, so that its result is linear in the mixer's.
std::unique_ptr<MixerBlock> bare_block(Combine combine) {
  return make_bidirectional_block(
      {.d_model = 6, .headdim = 3, .conv_width = 0, .conv_act = Activation::kNone, .gate = Gate::kNone, .norm = false},
      scan(false), scan(true), combine);
}

}  // namespace

TEST_CASE("the reversed scan is the scan of the flipped sequence, flipped back") {
  Semiseparable forward(kShape, {.state = 2, .Q = 4}), reversed(kShape, {.state = 2, .reverse = true, .Q = 4});
  const nn::ParameterStore a(forward, kCpu, MathMode::kF64, 1), b(reversed, kCpu, MathMode::kF64, 1);
  Streams c(DType::F64, kCpu), flipped(DType::F64, kCpu);
  uint64_t seed = 10;
  for (const Stream& s : forward.streams()) {
    const Tensor x = random_tensor(Shape{kB, kL} + s.per_token, seed++);
    c.put_tokens(s.name, x);
    flipped.put_tokens(s.name, flip(x, 1));
  }
  const Tensor v = random_tensor({kB, kL, 4, 3}, 2);
  const Runs runs = Runs::full(kB, kL);
  const Var got = reversed.mix(c, v, runs), want = flip(forward.mix(flipped, flip(v, 1), runs), 1);
  CHECK(relative_error(got.value(), want.value()) < 1e-14);
  const Var M = reversed.matrix(c, runs), M_flipped = flip(flip(forward.matrix(flipped, runs), 2), 3);
  CHECK(relative_error(M.value(), M_flipped.value()) < 1e-14);
}

TEST_CASE("add and concat join the results of their two mixers; mult multiplies them") {
  const Tensor x = random_tensor({kB, kL, 6}, 1);
  const Runs runs = Runs::of(kB, kL, {{0, 0, 9}, {1, 2, 4}});
  std::vector<std::unique_ptr<MixerBlock>> blocks;
  for (const Combine combine : {Combine::kAdd, Combine::kMultiply, Combine::kConcat})
    blocks.push_back(bare_block(combine));
  std::vector<Tensor> results;
  Tensor concat_weight;
  for (const auto& block : blocks) {
    const nn::ParameterStore store(*block, kCpu, MathMode::kF64, 1);
    // An out-projection that passes its input on: the first 6 numbers of it, or of either half.
    for (const auto& e : store.entries()) {
      if (e.path != "out_proj.weight") continue;
      const Tensor w = nn::ParameterStore::part(store.master(), e);
      fill(w, 0);
      for (int64_t i = 0; i < 6; ++i) w.data<double>()[i * w.dim(1) + i] = 1;
    }
    results.push_back(block->forward(x, runs).value());
    if (block != blocks.back()) continue;
    for (const auto& e : store.entries()) {
      if (e.path != "out_proj.weight") continue;
      const Tensor w = nn::ParameterStore::part(store.master(), e);
      fill(w, 0);
      for (int64_t i = 0; i < 6; ++i) w.data<double>()[i * w.dim(1) + 12 + i] = 1;
    }
    results.push_back(block->forward(x, runs).value());
  }
  const Tensor &sum = results[0], &product = results[1], &f = results[2], &b = results[3];
  CHECK(relative_error(sum, add(f, b).value()) < 1e-14);
  CHECK(relative_error(product, mul(f, b).value()) < 1e-14);
}

TEST_CASE("two unlike mixers keep their own streams, parameters and facts") {
  // The forward one has three numbers a state and no diagonal stream, the backward one two and an attention's q and k.
  const auto forward = [] {
    return std::make_unique<Semiseparable>(kShape, SemiseparableMixerOptions{.state = 3, .Q = 4});
  };
  const auto backward_one = [] { return std::make_unique<Attention>(kShape, AttentionMixerOptions{.qk_dim = 2}); };
  for (const Join join : {Join::kAdd, Join::kConcat}) {
    Bidirectional both(kShape, forward(), backward_one(), join);
    const nn::ParameterStore store(both, kCpu, MathMode::kF64, 1);
    const auto f = forward();
    const auto b = backward_one();
    const nn::ParameterStore of_f(*f, kCpu, MathMode::kF64, 2), of_b(*b, kCpu, MathMode::kF64, 3);
    for (const auto& [part, of_part] : {std::pair{"forward.", &of_f}, {"backward.", &of_b}})
      for (const auto& e : of_part->entries())
        for (const auto& whole : store.entries())
          if (whole.path == part + e.path)
            copy(nn::ParameterStore::part(of_part->master(), e), nn::ParameterStore::part(store.master(), whole));

    Streams c(DType::F64, kCpu), c_f(DType::F64, kCpu), c_b(DType::F64, kCpu);
    size_t expected = 0;
    const auto put = [&](const Mixer& mixer, Streams& own, const std::string& suffix) {
      for (const Stream& s : mixer.streams()) {
        const Tensor x = random_tensor(Shape{kB, kL} + s.per_token, 20 + expected++);
        own.put_tokens(s.name, x);
        c.put_tokens(s.name + suffix, x);
        const std::vector<Stream> all = both.streams();
        const auto found = std::ranges::find(all, s.name + suffix, &Stream::name);
        REQUIRE(found != all.end());
        CHECK(found->per_token == s.per_token);
        CHECK(found->route == s.route);
      }
    };
    put(*f, c_f, "_f");
    put(*b, c_b, "_b");
    CHECK(both.streams().size() == expected);

    const Tensor v = random_tensor({kB, kL, 4, 3}, 2);
    const Runs runs = Runs::of(kB, kL, {{0, 0, 9}, {1, 2, 4}});
    const Var y_f = f->mix(c_f, v, runs), y_b = b->mix(c_b, v, runs), M_f = f->matrix(c_f, runs),
              M_b = b->matrix(c_b, runs);
    const bool adds = join == Join::kAdd;
    CHECK(relative_error(both.mix(c, v, runs).value(), (adds ? y_f + y_b : concat({y_f, y_b}, 2)).value()) < 1e-14);
    CHECK(relative_error(both.matrix(c, runs).value(), (adds ? M_f + M_b : concat({M_f, M_b}, 1)).value()) < 1e-14);
  }
}

TEST_CASE("mult is quadratic in v, and every parameter of it learns") {
  const auto block = bare_block(Combine::kMultiply);
  const nn::ParameterStore store(*block, kCpu, MathMode::kF64, 1);
  CHECK(block->mixer().traits().copies == 2);
  store.zero_grad();
  const Var y = block->forward(random_tensor({kB, kL, 6}, 1), Runs::full(kB, kL));
  CHECK(y.shape() == Shape{kB, kL, 6});
  backward(y, {.seed = random_tensor(y.shape(), 2)});
  for (const auto& e : store.entries()) {
    CAPTURE(e.path);
    const Tensor g = nn::ParameterStore::part(store.grad(), e);
    CHECK(relative_error(g, zeros_like(g)) > 0);
  }
  CHECK(block->matrix(random_tensor({kB, kL, 6}, 1), Runs::full(kB, kL))->dim(1) == 2 * 4);
}

TEST_CASE("a gate and a residual need one copy of the heads, which mult leaves") {
  const auto make = [](BlockOptions options, Combine combine) {
    options.d_model = 6;
    options.headdim = 3;
    make_bidirectional_block(options, scan(false), scan(true), combine);
  };
  CHECK_NOTHROW(make({.residual_v = true}, Combine::kMultiply));
  CHECK_THROWS_WITH_AS(make({}, Combine::kConcat), "block: a gate needs a mixer with one copy of the heads, got 2",
                       Error);
  CHECK_THROWS_WITH_AS(MixerBlock({.d_model = 6, .headdim = 3, .multiply_copies = true}, scan(false)),
                       "block: multiply_copies needs a mixer with two copies of the heads, got 1", Error);
  const auto doubled = [](const BlockShape& s) {
    return std::make_unique<Bidirectional>(s, scan(false)(s), scan(true)(s), Join::kConcat);
  };
  CHECK_THROWS_WITH_AS(Bidirectional(kShape, doubled(kShape), scan(true)(kShape), Join::kAdd),
                       "add: both mixers must have one copy of the heads", Error);
}
