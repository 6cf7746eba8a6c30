#include "experiments/train/trainer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "mixers/registry.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/parallel.h"
#include "tensor/transfer.h"
#include "tests/support/devices.h"

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

TEST_CASE("saved and loaded, training goes on bit for bit") {
  for (const Device device : test_devices()) {
    Trainer unbroken(tiny(device)), first(tiny(device)), second(tiny(device));
    for (int64_t s = 0; s < 6; ++s) unbroken.run(s);
    for (int64_t s = 0; s < 3; ++s) first.run(s);
    TensorFile state;
    first.save(state);
    second.load(state);
    for (int64_t s = 3; s < 6; ++s) second.run(s);
    CHECK(same_bits(unbroken.store().master(), second.store().master()));
    CHECK(same_bits(unbroken.store().v(), second.store().v()));
    CHECK(unbroken.take_figures().loss == second.take_figures().loss);
    CHECK(unbroken.tokens() == second.tokens());
  }
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
