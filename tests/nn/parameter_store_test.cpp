#include "nn/parameter_store.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "nn/layers.h"
#include "nn/optimizer.h"
#include "ops/elementwise/elementwise.h"
#include "ops/reduce/reduce.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tests/support/devices.h"
#include "tests/support/without.h"

using namespace matmix;
using namespace matmix::nn;
using namespace matmix::testing;

namespace {

/// Two linear layers, the first one's weight tied to a second name.
struct Tied final : Module {
  void visit(Visitor& v) override {
    v("first", first);
    v("second", second);
    v("alias", first.weight);
  }
  Linear first{3, 3}, second{3, 2, {.bias = false}};
};

}  // namespace

TEST_CASE("parameters have paths, ranges by group, and alignment") {
  Tied model;
  const ParameterStore store(model, kCpu, MathMode::kF32, 1);
  REQUIRE(store.entries().size() == 3);
  CHECK(store.entries()[0].path == "first.weight");
  CHECK(store.entries()[0].aliases == std::vector<std::string>{"alias"});
  CHECK(store.entries()[1].path == "first.bias");
  CHECK(store.entries()[2].path == "second.weight");
  CHECK(store.count() == 9 + 3 + 6);
  REQUIRE(store.ranges().size() == 3);
  int64_t end = 0;
  for (const auto& range : store.ranges()) {
    CHECK(range.start == end);
    end += range.length;
  }
  CHECK(end == store.master().numel());
  for (const auto& e : store.entries()) {
    CHECK(reinterpret_cast<uintptr_t>(ParameterStore::part(store.master(), e).raw()) % 256 == 0);
    CHECK(e.group == Group{.decay = !e.path.ends_with("bias")});
  }
}

TEST_CASE("a grouping decides over rates, decay and what is frozen; a frozen parameter has no gradient and stays") {
  for (const Device device : test_devices()) {
    Tied model;
    const ParameterStore store(model, device, MathMode::kF64, 1, [](const ParameterStore::Entry& e) {
      Group group = e.group;
      if (e.path == "first.weight") group.frozen = true;
      if (e.path == "first.bias") group.lr_scale = 0.25;
      return group;
    });
    const auto part = [&](const Tensor& flat, size_t i) { return ParameterStore::part(flat, store.entries()[i]); };
    const Tensor before = clone(store.master());
    AdamW adamw(store, {.weight_decay = 0.5, .max_grad_norm = 0});
    const StepState state(device);
    store.zero_grad();
    backward(sum(model.second.forward(model.first.forward(full({4, 3}, 0.5, DType::F64, device)))));
    state.set(0, 0.1, 1);
    adamw.step(state);
    REQUIRE(store.ranges().size() == 3);
    CHECK(store.ranges()[0].group == Group{.frozen = true});
    CHECK(store.ranges()[1].group == Group{.lr_scale = 0.25, .decay = false});
    CHECK_FALSE(model.first.weight.var().requires_grad());
    CHECK(same_bits(part(store.grad(), 0), zeros({3, 3}, DType::F64, device)));
    CHECK(same_bits(part(store.master(), 0), part(before, 0)));
    // The first step moves by the rate times the sign of the gradient.
    const Tensor bias = part(store.grad(), 1), moved = part(store.master(), 1);
    for (int64_t i = 0; i < 3; ++i) {
      const double sign = item<double>(bias.narrow(0, i, 1)) > 0 ? 1 : -1;
      CHECK(item<double>(moved.narrow(0, i, 1)) == doctest::Approx(-0.025 * sign).epsilon(1e-6));
    }
    CHECK_FALSE(same_bits(part(store.master(), 2), part(before, 2)));
    CHECK(store.describe().find("  no decay  lr * 0.25\n") != std::string::npos);
  }
}

TEST_CASE("initial values depend on seed and path alone, whatever the device or dtype") {
  Tied a, b, c;
  const ParameterStore f32(a, kCpu, MathMode::kF32, 7), again(b, kCpu, MathMode::kF32, 7),
      f64(c, kCpu, MathMode::kF64, 7);
  CHECK(same_bits(f32.master(), again.master()));
  for (size_t i = 0; i < f32.entries().size(); ++i)
    CHECK(same_bits(ParameterStore::part(f32.master(), f32.entries()[i]),
                    cast(ParameterStore::part(f64.master(), f64.entries()[i]), DType::F32)));
  Tied d;
  const ParameterStore other(d, kCpu, MathMode::kF32, 8);
  CHECK_FALSE(same_bits(f32.master(), other.master()));
}

TEST_CASE("gradients land in the flat buffer, tied ones summed, gaps zero") {
  for (const Device device : test_devices()) {
    Tied model;
    const ParameterStore store(model, device, MathMode::kF64, 1);
    const Tensor x = full({4, 3}, 0.5, DType::F64, device);
    for (int pass = 0; pass < 2; ++pass) {
      store.zero_grad();
      backward(sum(model.second.forward(model.first.forward(x))) + sum(model.first.weight.var()));
      const Tensor grad = ParameterStore::part(store.grad(), store.entries()[0]);
      // d/dW of the product, which is the same for every row of W's inputs, plus 1 from the direct sum.
      const std::vector<double> second = to_vector<double>(model.second.weight.master());
      const std::vector<double> got = to_vector<double>(grad);
      for (int out = 0; out < 3; ++out)
        for (int in = 0; in < 3; ++in) {
          const double want = 4 * 0.5 * (second[static_cast<size_t>(out)] + second[static_cast<size_t>(3 + out)]) + 1;
          CHECK(got[static_cast<size_t>(out * 3 + in)] == doctest::Approx(want));
        }
    }
    double total = 0, parts = 0;
    for (const double g : to_vector<double>(store.grad())) total += g;
    for (const auto& e : store.entries())
      for (const double g : to_vector<double>(ParameterStore::part(store.grad(), e))) parts += g;
    CHECK(total == doctest::Approx(parts));
  }
}

TEST_CASE("bf16: GEMM weights are read through the shadow, vectors in F32, gradients are F32") {
  Tied model;
  const ParameterStore store(model, kCpu, MathMode::kBF16, 1);
  CHECK(model.first.weight.var().dtype() == DType::BF16);
  CHECK(model.first.bias.var().dtype() == DType::F32);
  CHECK(same_bits(model.first.weight.var().value(), cast(model.first.weight.master(), DType::BF16)));
  backward(sum(cast(model.first.weight.var(), DType::F32)));
  CHECK(ParameterStore::part(store.grad(), store.entries()[0]).dtype() == DType::F32);
  CHECK(to_vector<float>(ParameterStore::part(store.grad(), store.entries()[0])) == std::vector<float>(9, 1.0f));
}

TEST_CASE("save and load restore every value, and refuse what does not fit; then nothing was changed") {
  Tied model, other;
  const ParameterStore store(model, kCpu, MathMode::kF32, 1), fresh(other, kCpu, MathMode::kF32, 2);
  TensorFile file;
  store.save(file);
  const Tensor before = clone(fresh.master());
  const auto refused = [&](const TensorFile& bad, const LoadOptions& options, const char* why) {
    CHECK_THROWS_WITH_AS(fresh.load(bad, options), why, Error);
    CHECK(same_bits(fresh.master(), before));
  };
  const std::string last = store.entries().back().path;
  TensorFile bad{.tensors = without(file.tensors, last, {{last, zeros({3, 4}, DType::F32)}}), .metadata = {}};
  const std::string shape = to_string(store.entries().back().shape);
  refused(bad, {}, ("load: tensor '" + last + "' must have shape " + shape + ", got [3, 4]").c_str());
  bad.tensors = without(file.tensors, last);
  CHECK_THROWS_AS(fresh.load(bad), Error);
  CHECK(same_bits(fresh.master(), before));
  bad = file;
  bad.tensors.put("firts.weight", zeros({3, 3}, DType::F32));
  CHECK_THROWS_WITH_AS(fresh.load(bad),
                       doctest::Contains("load: 'firts.weight' is no parameter; the nearest are 'first.weight'"),
                       Error);
  CHECK(same_bits(fresh.master(), before));
  CHECK_THROWS_AS(fresh.load(bad, {.also = {"adam."}}), Error);
  CHECK_NOTHROW(fresh.load(bad, {.also = {"firts."}}));
  CHECK(same_bits(store.master(), fresh.master()));
  CHECK_NOTHROW(fresh.load(bad, {.strict = false}));
}

TEST_CASE("what may be missing keeps its values, and names may have a prefix") {
  Tied model, other;
  const ParameterStore store(model, kCpu, MathMode::kF32, 1), fresh(other, kCpu, MathMode::kF32, 2);
  TensorFile file;
  store.save(file, store.master(), "ema.");
  const auto first = store.entries().front();
  file.tensors = without(file.tensors, "ema." + first.path);
  const Tensor kept = clone(ParameterStore::part(fresh.master(), first));
  CHECK_THROWS_AS(fresh.load(file, {.prefix = "ema."}), Error);
  fresh.load(file, {.prefix = "ema.", .may_miss = {first.path}});
  CHECK(same_bits(ParameterStore::part(fresh.master(), first), kept));
  for (const auto& e : store.entries())
    if (e.path != first.path)
      CHECK(same_bits(ParameterStore::part(fresh.master(), e), ParameterStore::part(store.master(), e)));
}

TEST_CASE("a parameter without a store says what to do") {
  const Linear layer(2, 2);
  CHECK_THROWS_WITH_AS(layer.weight.var(),
                       "parameter: of shape [2, 2] has no storage yet; make a ParameterStore of its model first",
                       Error);
}
