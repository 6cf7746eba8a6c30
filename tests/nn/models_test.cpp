#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "mixers/block.h"
#include "mixers/registry.h"
#include "nn/models/bert.h"
#include "nn/parameter_store.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "ops/dropout/dropout.h"
#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "ops/layout/layout.h"
#include "ops/linear/linear.h"
#include "ops/norm/norm.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tests/support/devices.h"
#include "tests/support/model_gradients.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::nn;
using namespace matmix::testing;

namespace {

/// Doubles its input: y + x is easy to follow through the residual stream.
class Twice final : public SequenceMixer {
 public:
  Var forward(const Var& x, const Runs&) const override { return affine(x, 2); }
  std::optional<Var> matrix(const Var&, const Runs&) const override { return std::nullopt; }
  void visit(Visitor&) override {}
};

std::unique_ptr<SequenceMixer> twice(int64_t) { return std::make_unique<Twice>(); }

const BertOptions kTiny{.vocab_size = 11, .max_positions = 8, .encoder = {.d_model = 4, .layers = 2, .mlp_width = 6}};

/// Every part that a model can have: positions, dropout, MLPs, two layers.
BertOptions whole_options(NormKind norm, bool gated) {
  return {.vocab_size = 11,
          .max_positions = 8,
          .embedding_dropout = 0.3,
          .encoder = {.d_model = 4,
                      .layers = 2,
                      .norm = norm,
                      .mlp_width = 6,
                      .mlp = {.act = gated ? Activation::kSilu : Activation::kGelu, .gated = gated},
                      .dropout = 0.4}};
}

/// Moves every parameter off its first value, so that no two are alike and no bias is 0.
void shake(const ParameterStore& store, double by) {
  for (size_t i = 0; i < store.entries().size(); ++i) {
    const Tensor values = ParameterStore::part(store.master(), store.entries()[i]);
    copy(values, (Var(values) + affine(random_tensor(values.shape(), 100 + i), by)).value());
  }
}

/// Packed rows with a gap, and targets of both rows.
struct PackedTargets {
  Runs runs = Runs::of(2, 7, {{0, 0, 4}, {0, 4, 2}, {1, 1, 5}});
  Tensor ids = from_vector<int64_t>({1, 2, 3, 4, 5, 6, 0, 0, 7, 3, 2, 9, 1, 0}, {2, 7});
  Tensor at = from_vector<int64_t>({0, 3, 5, 8, 12});
};

Var loss(const Bert& model, const Tensor& ids, const Runs& runs, const Tensor& at, const Tensor& labels) {
  return cross_entropy(model.logits(model.encode(ids, runs), at), labels).loss;
}

}  // namespace

TEST_CASE("the encoder is the pre-norm recurrence, sum and norm fused") {
  Encoder encoder({.d_model = 4, .layers = 2}, twice);
  const ParameterStore store(encoder, kCpu, MathMode::kF64, 1);
  Tensor x = empty({1, 2, 4}, DType::F64);
  random_uniform(x, -1, 1, {.seed = 3});
  const Tensor ones = full({4}, 1, DType::F64), zero = zeros({4}, DType::F64);
  Var r = x;
  for (int layer = 0; layer < 2; ++layer) r = r + affine(norm(r, ones, {.kind = NormKind::kLayer, .bias = zero}).y, 2);
  const Var want = norm(r, ones, {.kind = NormKind::kLayer, .bias = zero}).y;
  const Var got = encoder.forward(x, Runs::full(1, 2), DType::F64, {});
  CHECK(relative_error(got.value(), want.value()) < 1e-14);
}

TEST_CASE("what padding holds changes no bit of the encoder's result and gradients") {
  for (const Device device : test_devices()) {
    Encoder encoder({.d_model = 4, .layers = 2, .mlp_width = 6}, twice);
    const ParameterStore store(encoder, device, MathMode::kF64, 1);
    const Runs runs = Runs::of(2, 5, {{0, 1, 3}, {1, 0, 4}});
    const Tensor inside = runs.mask(device).reshape({2, 5, 1});
    const auto filled = [&](uint64_t seed, double fill) {
      const Tensor x = empty({2, 5, 4}, DType::F64, device);
      random_uniform(x, -1, 1, {.seed = seed});
      return where(inside, x, full({}, fill, DType::F64, device)).value();
    };
    const auto results = [&](double fill) {
      store.zero_grad();
      const Var x = leaf(filled(3, fill));
      const Var y = encoder.forward(x, runs, DType::F64, {});
      backward(y, {.seed = filled(4, 0)});
      return std::vector{y.value(), x.grad(), clone(store.grad())};
    };
    const std::vector<Tensor> want = results(0);
    for (const double fill : {1e30, double(NAN), double(INFINITY)}) {
      const std::vector<Tensor> got = results(fill);
      for (size_t i = 0; i < got.size(); ++i) CHECK(same_bits(got[i], want[i]));
    }
  }
}

TEST_CASE("every parameter of BERT receives a gradient, and padding does not matter") {
  for (const Device device : test_devices()) {
    Bert model(kTiny, twice);
    const ParameterStore store(model, device, MathMode::kF64, 5);
    const Tensor at = to(from_vector<int64_t>({0, 2, 5}), device), labels = to(from_vector<int64_t>({3, 4, 9}), device);
    const Runs runs = Runs::of_lengths(4, {3, 2});
    const auto run = [&](int64_t pad) {
      store.zero_grad();
      const Tensor ids = to(from_vector<int64_t>({1, 2, 3, pad, 4, 5, pad, pad}, {2, 4}), device);
      const Var l = loss(model, ids, runs, at, labels);
      backward(l);
      return clone(l.value());
    };
    const Tensor first = run(0);
    for (const auto& e : store.entries()) {
      double most = 0;
      for (const double g : to_vector<double>(ParameterStore::part(store.grad(), e)))
        most = std::max(most, std::abs(g));
      CHECK_MESSAGE(most > 0, e.path);
    }
    CHECK(same_bits(first, run(10)));
  }
}

TEST_CASE("bf16 keeps the residual stream in F32 and gives bf16 logits close to F32's") {
  for (const Device device : test_devices()) {
    Bert wide(kTiny, twice), narrow(kTiny, twice);
    const ParameterStore f32(wide, device, MathMode::kF32, 5), bf16(narrow, device, MathMode::kBF16, 5);
    const Tensor ids = to(from_vector<int64_t>({1, 2, 3, 4}, {1, 4}), device),
                 at = to(from_vector<int64_t>({1, 2}), device);
    const Var want = wide.logits(wide.encode(ids, Runs::full(1, 4)), at);
    const Var got = narrow.logits(narrow.encode(ids, Runs::full(1, 4)), at);
    CHECK(got.dtype() == DType::BF16);
    CHECK(relative_error(got.value(), want.value()) < 0.03);
  }
}

TEST_CASE("learned positions count from the start of each run") {
  Bert model(kTiny, twice);
  const ParameterStore store(model, kCpu, MathMode::kF64, 5);
  const auto ids = [](std::vector<int64_t> values) {
    return from_vector(values, {1, static_cast<int64_t>(values.size())});
  };
  const Tensor packed = model.encode(ids({7, 1, 2, 3, 1, 2}), Runs::of(1, 6, {{0, 1, 3}, {0, 4, 2}})).value();
  const Tensor first = model.encode(ids({1, 2, 3}), Runs::full(1, 3)).value();
  const Tensor second = model.encode(ids({1, 2}), Runs::full(1, 2)).value();
  CHECK(relative_error(packed.narrow(1, 1, 3), first) < 1e-14);
  CHECK(relative_error(packed.narrow(1, 4, 2), second) < 1e-14);
  CHECK(relative_error(packed.narrow(1, 2, 1), packed.narrow(1, 4, 1)) > 1e-3);
}

TEST_CASE("a sequence beyond the learned positions is refused") {
  Bert model(kTiny, twice);
  const ParameterStore store(model, kCpu, MathMode::kF32, 5);
  CHECK_THROWS_WITH_AS(model.encode(zeros({1, 9}, DType::I64), Runs::full(1, 9)),
                       "bert: sequences must have at most 8 tokens (max_positions), got 9", Error);
}

TEST_CASE("gradients of a whole model are those of finite differences, for every parameter") {
  const PackedTargets on;
  const StepState state(kCpu);
  state.set(3, 0, 1);
  for (const auto& [kind, gated] : {std::pair{NormKind::kLayer, false}, {NormKind::kRms, true}}) {
    Bert model(whole_options(kind, gated), twice);
    const ParameterStore store(model, kCpu, MathMode::kF64, 5);
    shake(store, 0.5);
    const auto result = [&] {
      return model.logits(model.encode(on.ids, on.runs, {.seed = 7, .state = &state}), on.at);
    };
    const GradcheckReport report = check_parameters("bert", store, result);
    CHECK(report.arguments.size() == store.entries().size());
    CHECK_MESSAGE(report.worst() <= kGradcheck, report.text());
    for (const GradError& e : report.arguments) CHECK_MESSAGE(e.numeric != 0, e.argument);
  }
}

TEST_CASE("so are those of a model with every mixer, along random directions") {
  const PackedTargets on;
  for (const mixers::MixerRow& row : mixers::registry()) {
    CAPTURE(row.name);
    const auto make = [&](const mixers::BlockShape& shape) {
      return row.make(shape, {.state = 2, .groups = 1, .qk_dim = 2, .max_len = 8, .Q = 3});
    };
    const bool one_copy = make({.D = 8, .H = 2, .P = 4})->traits().copies == 1;
    const mixers::BlockOptions options{
        .d_model = 4, .headdim = 4, .conv_width = 3, .gate = one_copy ? mixers::Gate::kAfterNorm : mixers::Gate::kNone};
    const auto block = [&](int64_t) { return std::make_unique<mixers::MixerBlock>(options, make); };
    Bert model({.vocab_size = 11, .encoder = {.d_model = 4, .layers = 2, .mlp_width = 6}}, block);
    const ParameterStore store(model, kCpu, MathMode::kF64, 5);
    shake(store, 0.5);
    const auto result = [&] { return model.logits(model.encode(on.ids, on.runs), on.at); };
    const GradcheckReport report =
        check_parameters(row.name, store, result, {.step = 1e-4, .full_up_to = 0, .directions = 2});
    // Slopes along decays are small beside what rounding leaves of the others.
    double steepest = 0;
    for (const GradError& e : report.arguments) steepest = std::max(steepest, std::abs(e.numeric));
    for (const GradError& e : report.arguments)
      CHECK_MESSAGE(std::abs(e.analytic - e.numeric) <= kGradcheck * steepest, report.text());
  }
}

TEST_CASE("a whole model is its parts: tables, norms, dropout after each, MLPs, residual sums, the head") {
  const PackedTargets on;
  const StepState state(kCpu);
  state.set(3, 0, 1);
  constexpr uint64_t kSeed = 7;
  for (const bool trains : {false, true})
    for (const auto& [kind, gated_mlp] : {std::pair{NormKind::kLayer, false}, {NormKind::kRms, true}}) {
      const NormKind norm_kind = kind;
      const BertOptions options = whole_options(kind, gated_mlp);
      Bert model(options, twice);
      const ParameterStore store(model, kCpu, MathMode::kF64, 5);
      shake(store, 0.5);
      const auto parameter = [&](const std::string& path) -> Var {
        for (const auto& e : store.entries())
          if (e.path == path) return ParameterStore::part(store.master(), e);
        return {};
      };
      const auto normed = [&](const Var& x, const std::string& path, NormKind how) {
        return norm(x, parameter(path + ".weight"), {.kind = how, .bias = parameter(path + ".bias")}).y;
      };
      const auto dropped = [&](const Var& x, double p, const std::string& path) {
        return trains ? dropout(x, p, kSeed, stream_of(path), state.step) : x;
      };
      const auto product = [&](const Var& x, const std::string& path) {
        return linear(x, parameter(path + ".weight"), {.bias = parameter(path + ".bias")});
      };
      const auto mlp = [&](const Var& x, const std::string& path) {
        const Var wide = product(x, path + ".up");
        return product(gated_mlp ? narrow(wide, 2, 0, 6) * silu(narrow(wide, 2, 6, 6)) : gelu(wide), path + ".down");
      };
      Var r = embedding(parameter("embedding.weight"), on.ids) +
              embedding(parameter("position_embedding.weight"), on.runs.position(kCpu));
      r = dropped(normed(r, "embedding_norm", NormKind::kLayer), 0.3, "embedding_dropout");
      r = zero_padding(r, on.runs);
      for (int layer = 0; layer < 2; ++layer) {
        const std::string path = text("encoder.layers.", layer);
        r = r + dropped(affine(normed(r, path + ".norm", norm_kind), 2), 0.4, path + ".dropout");
        r = r + dropped(mlp(normed(r, path + ".mlp_norm", norm_kind), path + ".mlp"), 0.4, path + ".mlp_dropout");
      }
      const Var hidden = normed(r, "encoder.final_norm", norm_kind);
      const nn::ForwardContext context{.seed = kSeed, .state = trains ? &state : nullptr};
      const Var got = model.encode(on.ids, on.runs, context);
      CHECK(relative_error(got.value(), hidden.value()) < 1e-13);

      const Var rows = gelu(product(embedding(reshape(hidden, {14, 4}), on.at), "head.transform"));
      const Var want = linear(normed(rows, "head.norm", NormKind::kLayer), parameter("embedding.weight"),
                              {.bias = parameter("head.bias")});
      CHECK(relative_error(model.logits(got, on.at).value(), want.value()) < 1e-13);
    }
}
