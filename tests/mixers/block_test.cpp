#include "mixers/block.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "mixers/identity.h"
#include "mixers/quasiseparable.h"
#include "mixers/registry.h"
#include "nn/parameter_store.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/reduce/reduce.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

namespace {

std::unique_ptr<Mixer> identity(const BlockShape& s) { return std::make_unique<Identity>(s); }
std::unique_ptr<Mixer> hydra(const BlockShape& s) {
  return std::make_unique<Quasiseparable>(s, QuasiseparableMixerOptions{.groups = 1, .state = 3, .Q = 4});
}

const nn::Parameter& find(MixerBlock& block, const std::string& path) {
  const nn::Parameter* found = nullptr;
  nn::for_each_parameter(block, [&](const std::string& name, nn::Parameter& p) {
    if (name == path) found = &p;
  });
  REQUIRE_MESSAGE(found != nullptr, path);
  return *found;
}

}  // namespace

TEST_CASE("the block is the composition of its parts") {
  for (const Device device : test_devices())
    for (const bool residual_v : {false, true})
      for (const Gate gate : {Gate::kNone, Gate::kAfterNorm, Gate::kBeforeNorm})
        for (const int64_t width : {0, 3}) {
          MixerBlock block({.d_model = 4, .headdim = 2, .conv_width = width, .gate = gate, .residual_v = residual_v},
                           identity);
          const nn::ParameterStore store(block, device, MathMode::kF64, 2);
          const Tensor x = random_tensor({2, 5, 4}, 1, DType::F64, device);
          const Var in = linear(x, find(block, "in_proj.weight"));
          const int64_t z_width = gate == Gate::kNone ? 0 : 8;
          Var v = narrow(in, 2, z_width, 8);
          v = width == 0 ? silu(v)
                         : silu(conv1d(v, find(block, "conv1d.weight"), {.bias = find(block, "conv1d.bias")}));
          Var y = residual_v ? affine(v, 2) : v;
          const Var weight = find(block, "norm.weight");
          if (gate == Gate::kNone) y = norm(y, weight).y;
          if (gate == Gate::kAfterNorm) y = norm(y, weight).y * silu(narrow(in, 2, 0, 8));
          if (gate == Gate::kBeforeNorm) y = norm(y * silu(narrow(in, 2, 0, 8)), weight).y;
          const Var want = linear(y, find(block, "out_proj.weight"));
          CHECK(relative_error(block.forward(x, Runs::full(2, 5)).value(), want.value()) < 1e-14);
        }
}

TEST_CASE("Hydra in a block: padding has no say, a packed batch equals its sequences apart, every parameter learns") {
  for (const Device device : test_devices()) {
    MixerBlock block({.d_model = 4, .headdim = 2, .conv_width = 3}, hydra);
    const nn::ParameterStore store(block, device, MathMode::kF64, 2);
    const Tensor x = random_tensor({1, 12, 4}, 1, DType::F64, device);
    const Runs runs = Runs::of(1, 12, {{0, 1, 4}, {0, 5, 6}});
    const Tensor packed = block.forward(x, runs).value();
    for (const Run& r : runs.all()) {
      const Tensor alone = block.forward(x.narrow(1, r.start, r.length), Runs::full(1, r.length)).value();
      CHECK(relative_error(packed.narrow(1, r.start, r.length), alone) < 1e-13);
    }
    const Tensor other = clone(x);
    fill(other.narrow(1, 0, 1), NAN);
    fill(other.narrow(1, 11, 1), 1e30);
    const Tensor again = block.forward(other, runs).value();
    CHECK(same_bits(again.narrow(1, 1, 10), packed.narrow(1, 1, 10)));

    store.zero_grad();
    backward(sum(square(block.forward(x, runs))));
    for (const auto& e : store.entries()) {
      double most = 0;
      for (const double g : to_vector<double>(nn::ParameterStore::part(store.grad(), e)))
        most = std::max(most, std::abs(g));
      CHECK_MESSAGE(most > 0, e.path);
    }
  }
}

TEST_CASE("Hydra with a table of coefficients does not depend on the data, and ends at its length") {
  MixerBlock block({.d_model = 4, .headdim = 2, .source = Table{6}}, hydra);
  const nn::ParameterStore store(block, kCpu, MathMode::kF64, 2);
  CHECK_FALSE(block.extendable());
  CHECK(block.forward(random_tensor({2, 6, 4}, 1), Runs::full(2, 6)).shape() == Shape{2, 6, 4});
  CHECK_THROWS_WITH_AS(block.forward(random_tensor({1, 7, 4}, 1), Runs::full(1, 7)),
                       "coefficients: runs must have at most 6 tokens (the table's), got 7", Error);
}

TEST_CASE("what padding holds changes no bit of a block's result and gradients") {
  const Runs runs = Runs::of(2, 10, {{0, 2, 5}, {1, 0, 4}, {1, 5, 4}});
  for (const Device device : test_devices())
    for (const MixerRow& row : registry()) {
      CAPTURE(row.name);
      MixerBlock block({.d_model = 8, .headdim = 4, .gate = Gate::kNone, .bias = true},
                       [&](const BlockShape& shape) { return row.make(shape, MixerSizes{}); });
      const nn::ParameterStore store(block, device, MathMode::kF64, 2);
      const Tensor inside = runs.mask(device).reshape({2, 10, 1});
      const auto filled = [&](const Tensor& x, double fill) {
        return where(inside, x, full({}, fill, x.dtype(), device)).value();
      };
      const auto results = [&](double fill) {
        store.zero_grad();
        const Var x = leaf(filled(random_tensor({2, 10, 8}, 1, DType::F64, device), fill));
        const Var y = block.forward(x, runs);
        backward(y, {.seed = filled(random_tensor({2, 10, 8}, 2, DType::F64, device), 0)});
        return std::vector{filled(y.value(), 0), x.grad(), clone(store.grad())};
      };
      const std::vector<Tensor> want = results(0);
      for (const double fill : {1e30, double(NAN), double(INFINITY)}) {
        CAPTURE(fill);
        const std::vector<Tensor> got = results(fill);
        for (size_t i = 0; i < got.size(); ++i) CHECK(same_bits(got[i], want[i]));
      }
    }
}

TEST_CASE("the block's matrix of an empty batch is empty") {
  for (const MixerRow& row : registry()) {
    CAPTURE(row.name);
    MixerSizes sizes;
    sizes.max_len = 5;
    MixerBlock block({.d_model = 8, .headdim = 4, .gate = Gate::kNone},
                     [&](const BlockShape& shape) { return row.make(shape, sizes); });
    const nn::ParameterStore store(block, kCpu, MathMode::kF64, 2);
    const Tensor x = zeros({0, 5, 8}, DType::F64);
    CHECK(block.forward(x, Runs::full(0, 5)).shape() == Shape{0, 5, 8});
    if (const std::optional<Var> M = block.matrix(x, Runs::full(0, 5))) CHECK(M->dim(2) == 5);
  }
}

TEST_CASE("the three facts") {
  MixerBlock projected({.d_model = 4, .headdim = 2}, hydra), plain({.d_model = 4, .headdim = 2}, identity);
  CHECK(projected.data_dependent());
  CHECK(projected.sequence_aligned());
  CHECK(projected.extendable());
  CHECK_FALSE(plain.data_dependent());
  CHECK(plain.extendable());
}

TEST_CASE("options that exclude each other are refused") {
  CHECK_THROWS_WITH_AS(MixerBlock({.d_model = 4, .headdim = 3}, identity),
                       "block: headdim must divide expand * d_model = 8, got 3", Error);
  CHECK_THROWS_WITH_AS(MixerBlock({.d_model = 4, .headdim = 2, .norm = false}, identity),
                       "block: a gate needs the norm that applies it; set norm or gate none", Error);
}
