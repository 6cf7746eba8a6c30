#include "experiments/train/trainer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "autograd/backward.h"
#include "mixers/registry.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/parallel.h"
#include "tensor/transfer.h"
#include "tests/support/devices.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::experiments;
using namespace matmix::testing;

namespace {

Config tiny(Device device, const std::string& dtype = "f32") {
  Config c;
  c.data = {.kind = "recall", .pairs = 3, .queries = 3, .keys = 8, .values = 8, .heldout_rows = 16};
  c.model = {.d_model = 16, .layers = 2, .dropout = 0.1, .mixer = {.state = 4, .Q = 4, .headdim = 8, .conv_width = 3}};
  c.train = {.batch = 8, .steps = 60, .lr = 5e-3, .warmup = 3, .dtype = dtype};
  c.train.device = device.is_cuda() ? "cuda" : "cpu";
  return c;
}

Tensor weights_after(const Config& config, int64_t steps) {
  Trainer trainer(config);
  for (int64_t s = 0; s < steps; ++s) trainer.run(s);
  return to(clone(trainer.store().master()), kCpu);
}

}  // namespace

TEST_CASE("training lowers the loss, in every math mode of the device") {
  for (const Device device : test_devices())
    for (const char* dtype : {"f64", "f32", "bf16"}) {
      Trainer trainer(tiny(device, dtype));
      const double before = trainer.evaluate(16).loss;
      for (int64_t s = 0; s < 60; ++s) trainer.run(s);
      const StepFigures figures = trainer.take_figures();
      CHECK(figures.targets == 60 * 8 * 3);
      CHECK(figures.grad_norm > 0);
      CHECK(trainer.evaluate(16).loss < before - 0.1);
      CHECK(trainer.take_figures().targets == 0);
    }
}

TEST_CASE("same bits twice, and for one and two threads") {
  for (const Device device : test_devices()) {
    const Tensor first = weights_after(tiny(device), 4);
    CHECK(same_bits(first, weights_after(tiny(device), 4)));
    const int threads = thread_count();
    set_thread_count(1);
    const Tensor one = weights_after(tiny(device), 4);
    set_thread_count(2);
    const Tensor two = weights_after(tiny(device), 4);
    set_thread_count(threads);
    CHECK(same_bits(one, two));
    CHECK(same_bits(one, first));
  }
}

TEST_CASE("saved and loaded, training goes on bit for bit, in every math mode") {
  for (const Device device : test_devices())
    for (const char* dtype : {"f64", "f32", "bf16"}) {
      CAPTURE(dtype);
      Trainer unbroken(tiny(device, dtype)), first(tiny(device, dtype)), second(tiny(device, dtype));
      for (int64_t s = 0; s < 6; ++s) unbroken.run(s);
      for (int64_t s = 0; s < 3; ++s) first.run(s);
      TensorFile state;
      first.save(state);
      second.load(state);
      for (int64_t s = 3; s < 6; ++s) second.run(s);
      CHECK(same_bits(unbroken.store().master(), second.store().master()));
      CHECK(same_bits(unbroken.optimizer().v(), second.optimizer().v()));
      CHECK(unbroken.take_figures().loss == second.take_figures().loss);
      CHECK(unbroken.tokens() == second.tokens());
    }
}

TEST_CASE("train.seed draws values and dropout, data.seed rows and the order they come in") {
  Config c = tiny(kCpu), other_data = c, other_model = c;
  other_data.data.seed = 7;
  other_model.train.seed = 7;
  Trainer trainer(c), data(other_data), model(other_model);
  CHECK(same_bits(trainer.store().master(), data.store().master()));
  CHECK_FALSE(same_bits(trainer.store().master(), model.store().master()));
  CHECK(trainer.data_digest() == model.data_digest());
  CHECK(trainer.data_digest() != data.data_digest());
  CHECK(same_bits(trainer.dataset().train(0, 8).ids, model.dataset().train(0, 8).ids));
  CHECK_FALSE(same_bits(trainer.dataset().train(0, 8).ids, data.dataset().train(0, 8).ids));

  // Of equal values and rows the dropout masks alone can tell: those of another data.seed are the same.
  TensorFile state;
  trainer.save(state);
  state.metadata.erase("data_digest");
  model.load(state);
  const data::Batch batch = trainer.dataset().train(0, 8);
  const auto logits = [&](Trainer& t, uint64_t seed) {
    const nn::StepState step(kCpu);
    step.set(0, 1, 1);
    return t.model().encode(batch.ids, batch.runs, {.seed = seed, .state = &step}).value();
  };
  CHECK(same_bits(logits(trainer, 0), logits(data, 0)));
  CHECK_FALSE(same_bits(logits(trainer, 0), logits(trainer, 7)));
  trainer.run(0);
  model.run(0);
  CHECK_FALSE(same_bits(trainer.store().grad(), model.store().grad()));
}

namespace {

/// Masked words of a small text, some rows with fewer targets than slots.
struct Words {
  TempDir folder;
  Config config;

  explicit Words(const std::string& text, const std::string& pieces) {
    config.data.kind = "text";
    config.data.path = folder.write("text", text).string();
    config.data.tokenizer = folder.write("vocab", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n" + pieces).string();
    config.data.max_len = 12;
    config.data.heldout = 0.5;
    config.model = {.d_model = 8, .layers = 1, .mixer = {.state = 2, .Q = 4, .headdim = 4, .conv_width = 3}};
    config.train = {.batch = 4, .steps = 8, .warmup = 0, .dtype = "f64"};
  }
};

std::string many_lines() {
  const char* const kWords[] = {"cats", "rats", "hats", "a cat", "a rat"};
  std::string text;
  for (const std::string who : kWords)
    for (const std::string whom : kWords) text += who + " eat " + whom + (who < whom ? " and a hat\n" : "\n");
  return text;
}
const char* const kPieces = "a\nand\ncat\nrat\nhat\neat\n##s\n";

}  // namespace

TEST_CASE("the gradient of a step is that of the mean over its targets") {
  const Words words(many_lines(), kPieces);
  Trainer trainer(words.config);
  const data::Batch batch = trainer.dataset().train(0, 4);
  REQUIRE(batch.targets > 0);
  REQUIRE(batch.targets < batch.labels.numel());
  trainer.store().zero_grad();
  const Var logits = trainer.model().logits(trainer.model().encode(batch.ids, batch.runs, {}), batch.positions);
  backward(cross_entropy(logits, batch.labels).loss);
  const Tensor want = clone(trainer.store().grad());
  trainer.run(0);
  CHECK(relative_error(trainer.store().grad(), want) < 1e-13);
}

TEST_CASE("bits per byte: nats of all targets over ln 2 and the bytes that their pieces stand for") {
  const Words words(many_lines(), kPieces);
  Trainer trainer(words.config);
  const HeldoutFigures figures = trainer.evaluate(INT64_MAX);
  const std::vector<std::string> pieces{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "and",
                                        "cat",   "rat",   "hat",   "eat",   "s"};  // ## is no byte of the text
  int64_t bytes = 0, targets = 0;
  for (int64_t row = 0; row < trainer.dataset().heldout_rows(); ++row)
    for (const int64_t label : to_vector<int64_t>(trainer.dataset().heldout(row, 1).labels))
      if (label != data::kIgnore) {
        bytes += static_cast<int64_t>(pieces.at(static_cast<size_t>(label)).size());
        ++targets;
      }
  CHECK(figures.targets == targets);
  CHECK(figures.bytes == bytes);
  CHECK(*figures.bits_per_byte ==
        doctest::Approx(figures.loss * static_cast<double>(targets) / std::log(2) / static_cast<double>(bytes)));
}

TEST_CASE("a mean over no targets is no figure") {
  const Words words(many_lines(), kPieces);
  Trainer trainer(words.config);
  CHECK(std::isnan(trainer.take_figures().loss));
  CHECK(std::isnan(trainer.take_figures().accuracy));
  const HeldoutFigures none = trainer.evaluate(0);
  CHECK(std::isnan(none.loss));
  CHECK_FALSE(none.diverged());
  CHECK_FALSE(none.bits_per_byte.has_value());
  JsonLine line;
  put(line, none);
  CHECK(line.text() == R"({"heldout_loss":null,"heldout_accuracy":null,"heldout_targets":0})");
}

TEST_CASE("data without anything to predict is refused") {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "zz" + std::to_string(i) + " qq\n";
  const Words words(text, "a\nb\n##a\n##b\n");
  CHECK_THROWS_WITH_AS(Trainer(words.config),
                       "MaskedText: the training part must hold at least one token that could be predicted, got none; "
                       "does the vocabulary fit the text?",
                       Error);
}

TEST_CASE("data that changed since a checkpoint are refused, with both digests") {
  const Words words(many_lines(), kPieces);
  Trainer before(words.config);
  TensorFile state;
  before.save(state);
  CHECK_NOTHROW(Trainer(words.config).load(state));
  words.folder.write("text", "hats\n" + many_lines());
  Trainer after(words.config);
  CHECK_THROWS_WITH_AS(after.load(state),
                       ("checkpoint: its run learned from data with the digest " + before.data_digest() +
                        ", and what data.path gives now has " + after.data_digest())
                           .c_str(),
                       Error);
  state.metadata.erase("data_digest");
  CHECK_NOTHROW(after.load(state));  // of an older version
}

TEST_CASE("on a GPU a captured step is bit-identical to the eager one") {
  for (const Device device : test_devices()) {
    if (!device.is_cuda()) continue;
    for (const char* dtype : {"f32", "bf16"}) {
      Config eager = tiny(device, dtype);
      eager.train.graph = false;
      CHECK(same_bits(weights_after(tiny(device, dtype), 8), weights_after(eager, 8)));
      Trainer captured(tiny(device, dtype));
      for (int64_t s = 0; s < 4; ++s) captured.run(s);
      CHECK(captured.captured());
    }
  }
}

TEST_CASE("on a GPU the step of every mixer can be captured from every source, with learned positions too") {
  for (const Device device : test_devices()) {
    if (!device.is_cuda()) continue;
    for (const mixers::MixerRow& row : mixers::registry()) {
      CAPTURE(row.name);
      Config config = tiny(device);
      config.model.mixer.name = row.name;
      if (row.name == "concat") config.model.mixer.gate = "none";
      config.model.max_positions = 12;
      for (const char* source : {"projected", "table", "generated"}) {
        CAPTURE(source);
        config.model.mixer.source = source;
        Config eager = config;
        eager.train.graph = false;
        CHECK(same_bits(weights_after(config, 5), weights_after(eager, 5)));
      }
    }
  }
}

TEST_CASE("held-out rows can be judged in parts, and what is not finite is seen") {
  for (const Device device : test_devices()) {
    Trainer trainer(tiny(device));
    const HeldoutFigures all = trainer.evaluate(16), first = trainer.evaluate(8), second = trainer.evaluate(8, 8);
    CHECK(first.targets + second.targets == all.targets);
    CHECK((first.loss + second.loss) / 2 == doctest::Approx(all.loss));
    CHECK(trainer.evaluate(INT64_MAX, 8).loss == second.loss);
    CHECK(trainer.evaluate(8, 16).targets == 0);
    trainer.run(0);
    CHECK(trainer.finite());
    fill(trainer.store().master().narrow(0, 5, 1), INFINITY);
    CHECK_FALSE(trainer.finite());
  }
}
