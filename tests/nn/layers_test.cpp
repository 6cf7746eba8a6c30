#include "nn/layers.h"

#include <doctest/doctest.h>

#include "nn/parameter_store.h"
#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "ops/layout/layout.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::nn;
using namespace matmix::testing;

TEST_CASE("layers are their ops with learned arguments") {
  struct All final : Module {
    void visit(Visitor& v) override {
      v("linear", linear);
      v("embedding", embedding);
      v("norm", norm);
      v("conv", conv);
    }
    Linear linear{4, 3, {.act = Activation::kSilu}};
    Embedding embedding{5, 4};
    Norm norm{NormKind::kLayer, 4};
    Conv1d conv{4, 3, true};
  } all;
  for (const Device device : test_devices()) {
    const ParameterStore store(all, device, MathMode::kF64, 3);
    const Tensor x = random_tensor({2, 6, 4}, 1, DType::F64, device);
    CHECK(same_bits(all.linear.forward(x).value(),
                    linear(x, all.linear.weight, {.bias = all.linear.bias, .act = Activation::kSilu}).value()));
    CHECK(same_bits(all.norm.forward(x).y.value(),
                    norm(x, all.norm.weight, {.kind = NormKind::kLayer, .bias = all.norm.bias}).y.value()));
    CHECK(same_bits(all.conv.forward(x, {}).value(), conv1d(x, all.conv.weight, {.bias = all.conv.bias}).value()));
    const Tensor ids = to(from_vector<int64_t>({4, 0}), device);
    CHECK(same_bits(all.embedding.forward(ids).value(), embedding(all.embedding.weight, ids).value()));
  }
  CHECK(all.conv.name() == "conv");
}

TEST_CASE("an MLP is its linear maps around the activation, or around a gate") {
  const auto act = Activation::kSilu;
  for (const bool is_gated : {false, true}) {
    Mlp mlp(4, 6, {.act = act, .gated = is_gated});
    const ParameterStore store(mlp, kCpu, MathMode::kF64, 3);
    const Tensor x = random_tensor({2, 5, 4}, 1);
    const Var up = linear(x, mlp.up.weight, {.bias = mlp.up.bias});
    CHECK(up.dim(2) == (is_gated ? 12 : 6));
    const Var inner = is_gated ? narrow(up, 2, 0, 6) * silu(narrow(up, 2, 6, 6)) : silu(up);
    const Var want = linear(inner, mlp.down.weight, {.bias = mlp.down.bias});
    CHECK(relative_error(mlp.forward(x).value(), want.value()) <= tolerance(DType::F64, 6));
  }
  Mlp bare(4, 6, {.bias = false});
  CHECK_FALSE(bare.up.bias.defined());
  CHECK_FALSE(bare.down.bias.defined());
}

TEST_CASE("dropout draws by module path and step, and is off in evaluation") {
  struct Two final : Module {
    void visit(Visitor& v) override {
      v("a", a);
      v("b", b);
    }
    Dropout a{0.5}, b{0.5};
  } two;
  const ParameterStore names(two, kCpu, MathMode::kF32, 0);
  const Tensor x = full({64}, 1, DType::F32);
  const StepState state(kCpu);
  state.set(0, 0, 1);
  const Tensor first = two.a.forward(x, 1, &state).value();
  CHECK(same_bits(first, two.a.forward(x, 1, &state).value()));
  CHECK_FALSE(same_bits(first, two.b.forward(x, 1, &state).value()));
  state.set(1, 0, 1);
  CHECK_FALSE(same_bits(first, two.a.forward(x, 1, &state).value()));
  CHECK(two.a.forward(x, 1, nullptr).value().same_view_as(x));
}

TEST_CASE("bad sizes are refused") {
  CHECK_THROWS_WITH_AS(Linear(0, 2), "linear: widths must be positive, got 0 -> 2", Error);
  CHECK_THROWS_WITH_AS(Embedding(0, 2), "embedding: sizes must be positive, got 0 x 2", Error);
}
