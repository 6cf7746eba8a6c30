// From two causal scans summed to Hydra, one option at a time.
#include <doctest/doctest.h>

#include <tuple>

#include "autograd/backward.h"
#include "mixers/quasiseparable.h"
#include "mixers/registry.h"
#include "nn/parameter_store.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/accumulate.h"
#include "tensor/compare.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

namespace {

constexpr int64_t kModel = 8, kB = 2, kL = 11, kG = 2, kN = 3, kQ = 4;

struct Rung {
  const char* name;
  QuasiseparableMixerOptions mixer;
  BlockOptions block;
};

/// The options that a rung may change, to be counted.
auto choices(const Rung& r) {
  return std::tuple(r.mixer.shared_bc, r.mixer.shift, r.mixer.diagonal, r.mixer.decay, r.mixer.step_stream,
                    r.mixer.initial_states, r.block.conv_width, r.block.norm, r.block.gate);
}
int changes(const Rung& a, const Rung& b) {
  return std::apply(
      [&](const auto&... x) {
        return std::apply([&](const auto&... y) { return (0 + ... + static_cast<int>(x != y)); }, choices(b));
      },
      choices(a));
}

std::vector<Rung> ladder() {
  Rung r{"add",
         {.groups = kG, .state = kN, .shift = false, .diagonal = Diagonal::kNone, .Q = kQ},
         {.d_model = kModel, .headdim = 4, .conv_width = 0, .gate = Gate::kNone, .norm = false}};
  std::vector<Rung> rungs{r};
  const auto climb = [&](const char* name, const auto& change) {
    r.name = name;
    change();
    rungs.push_back(r);
  };
  climb("shift", [&] { r.mixer.shift = true; });
  climb("diagonal of one number", [&] { r.mixer.diagonal = Diagonal::kConstant; });
  climb("diagonal of one number a head", [&] { r.mixer.diagonal = Diagonal::kPerHead; });
  climb("diagonal from the token", [&] { r.mixer.diagonal = Diagonal::kProjected; });
  climb("convolution", [&] { r.block.conv_width = 7; });
  climb("norm", [&] { r.block.norm = true; });
  climb("gate: Hydra", [&] { r.block.gate = Gate::kAfterNorm; });
  return rungs;
}

std::unique_ptr<MixerBlock> block_of(const Rung& r) {
  return std::make_unique<MixerBlock>(
      r.block, [&](const BlockShape& s) { return std::make_unique<Quasiseparable>(s, r.mixer); });
}

/// A block with values for its parameters, all drawn by their paths, off the initial ones.
struct Model {
  std::unique_ptr<MixerBlock> block;
  nn::ParameterStore store;
  Var x = leaf(random_tensor({kB, kL, kModel}, 1), "x");

  explicit Model(std::unique_ptr<MixerBlock> made) : block(std::move(made)), store(*block, kCpu, MathMode::kF64, 3) {
    for (const auto& e : store.entries()) {
      const Tensor values = nn::ParameterStore::part(store.master(), e);
      accumulate(values, affine(random_tensor(e.shape, 40 + e.path.size()), 0.3).value());
    }
  }
  Tensor run() {
    store.zero_grad();
    const Var y = block->forward(x, Runs::full(kB, kL));
    backward(y, {.seed = random_tensor(y.shape(), 2)});
    return y.value();
  }
  Tensor value(const std::string& path) const { return find(store.master(), path); }
  Tensor gradient(const std::string& path) const { return find(store.grad(), path); }

 private:
  Tensor find(const Tensor& flat, const std::string& path) const {
    for (const auto& e : store.entries())
      if (e.path == path) return nn::ParameterStore::part(flat, e);
    FAIL(path);
    return {};
  }
};

}  // namespace

TEST_CASE("ladder: every rung changes one option, and with it the result") {
  const std::vector<Rung> rungs = ladder();
  for (size_t i = 1; i < rungs.size(); ++i) {
    CAPTURE(rungs[i].name);
    CHECK(changes(rungs[i - 1], rungs[i]) == 1);
    const Tensor before = Model(block_of(rungs[i - 1])).run(), after = Model(block_of(rungs[i])).run();
    CHECK(relative_error(after, before) > 1e-3);
  }
}

TEST_CASE("ladder: on every rung the fast form is the matrix") {
  for (const Rung& r : ladder()) {
    CAPTURE(r.name);
    Rung bare = r;  // nothing between the mixer and the result
    bare.block.norm = false;
    bare.block.gate = Gate::kNone;
    const Model model(block_of(bare));
    const Runs runs = Runs::full(kB, kL);
    const Mixer& mixer = model.block->mixer();
    Streams c(DType::F64, kCpu);
    uint64_t seed = 10;
    for (const Stream& s : mixer.streams()) c.put_tokens(s.name, random_tensor(Shape{kB, kL} + s.per_token, seed++));
    const Tensor v = random_tensor({kB, kL, 4, 4}, 9);
    const Var want = permute(matmul(mixer.matrix(c, runs), permute(v, {0, 2, 1, 3})), {0, 2, 1, 3});
    CHECK(relative_error(mixer.mix(c, v, runs).value(), want.value()) <= 1e-12);
  }
}

/// The block of a registered mixer.
std::unique_ptr<MixerBlock> registered(const char* name, const BlockOptions& block) {
  return std::make_unique<MixerBlock>(
      block, [name](const BlockShape& s) { return find_mixer(name).make(s, {.state = kN, .groups = kG, .Q = kQ}); });
}

TEST_CASE("ladder: its foot is the registered add mixer, in value and every gradient") {
  const Rung foot = ladder().front();
  Model quasi(block_of(foot)), add(registered("add", foot.block));
  for (const char* name : {"in_proj.weight", "out_proj.weight"}) copy(add.value(name), quasi.value(name));
  // The two scans of one have the same A and the same first step; those of the other have their own.
  for (const std::string name : {"A_log", "dt_bias"})
    for (const std::string half : {"mixer.forward.", "mixer.backward."})
      copy(add.value(half + name), quasi.value("mixer." + name));

  CHECK(relative_error(add.run(), quasi.run()) <= 1e-12);
  CHECK(relative_error(add.x.grad(), quasi.x.grad()) <= 1e-12);
  for (const char* name : {"in_proj.weight", "out_proj.weight"})
    CHECK(relative_error(add.gradient(name), quasi.gradient(name)) <= 1e-12);
  for (const std::string name : {"A_log", "dt_bias"}) {
    const Tensor both = clone(add.gradient("mixer.forward." + name));
    accumulate(both, add.gradient("mixer.backward." + name));
    CHECK(relative_error(both, quasi.gradient("mixer." + name)) <= 1e-12);
  }
  CHECK(add.store.entries().size() == quasi.store.entries().size() + 2);
}

TEST_CASE("ladder: its top is the registered Hydra in the block's default parts, in value and every gradient") {
  Model top(block_of(ladder().back()));
  Model hydra(registered("quasiseparable", {.d_model = kModel, .headdim = 4}));
  CHECK(relative_error(hydra.run(), top.run()) <= 1e-12);
  CHECK(relative_error(hydra.x.grad(), top.x.grad()) <= 1e-12);
  REQUIRE(hydra.store.entries().size() == top.store.entries().size());
  for (const auto& e : hydra.store.entries()) {
    CAPTURE(e.path);
    CHECK(relative_error(hydra.gradient(e.path), top.gradient(e.path)) <= 1e-12);
  }
}
