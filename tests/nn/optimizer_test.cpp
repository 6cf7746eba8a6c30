#include "nn/optimizer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "nn/layers.h"
#include "tensor/create.h"
#include "tensor/transfer.h"
#include "tests/support/devices.h"

using namespace matmix;
using namespace matmix::nn;

TEST_CASE("one AdamW step by hand: clipping, decay on the weight and not on the bias") {
  for (const Device device : testing::test_devices()) {
    Linear layer(1, 1);
    const ParameterStore store(layer, device, MathMode::kF64, 0);
    fill(layer.weight.master(), 2);
    fill(layer.bias.master(), 1);
    store.zero_grad();
    fill(ParameterStore::part(store.grad(), store.entries()[0]), 3);
    fill(ParameterStore::part(store.grad(), store.entries()[1]), 4);

    const StepState state(device);
    state.set(0, 0.1, 1);
    const AdamW adamw(store, {.weight_decay = 0.5, .max_grad_norm = 1});
    adamw.step(state);

    CHECK(item<double>(state.grad_norm) == doctest::Approx(5));
    CHECK(item<double>(state.clip) == doctest::Approx(0.2));
    // At the first step m / (1 - b1) = g and v / (1 - b2) = g^2, so the move is lr * sign(g), but for eps.
    CHECK(item<double>(layer.weight.master()) == doctest::Approx(2 - 0.1 * (0.5 * 2 + 0.6 / (0.6 + 1e-8))));
    CHECK(item<double>(layer.bias.master()) == doctest::Approx(1 - 0.1 * (0.8 / (0.8 + 1e-8))));
  }
}

TEST_CASE("the state of a step is data on the device") {
  for (const Device device : testing::test_devices()) {
    const StepState state(device);
    state.set(12, 0.25, 8);
    CHECK(item<int64_t>(state.step) == 12);
    CHECK(item<double>(state.lr) == 0.25);
    CHECK(item<double>(state.target_scale) == 0.125);
    state.set(13, 0.25, 0);
    CHECK(item<double>(state.target_scale) == 0);
  }
}
