#include "nn/optimizer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "nn/layers.h"
#include "tensor/create.h"
#include "tensor/transfer.h"
#include "tests/support/devices.h"

using namespace matmix;
using namespace matmix::nn;

TEST_CASE("two AdamW steps by hand: clipping before the update, decay on the weight and not on the bias") {
  constexpr double kB1 = 0.8, kB2 = 0.9, kEps = 1e-3, kDecay = 0.5, kLr[] = {0.1, 0.3};
  const double gradients[2][2] = {{3, 4}, {0.3, -0.4}};  // of norm 5, and of norm 0.5, which is not clipped
  for (const Device device : testing::test_devices()) {
    Linear layer(1, 1);
    const ParameterStore store(layer, device, MathMode::kF64, 0);
    fill(layer.weight.master(), 2);
    fill(layer.bias.master(), 1);
    const StepState state(device);
    AdamW adamw(store, {.beta1 = kB1, .beta2 = kB2, .eps = kEps, .weight_decay = kDecay, .max_grad_norm = 1});
    double want[2] = {2, 1}, m[2] = {}, v[2] = {};
    for (int step = 0; step < 2; ++step) {
      store.zero_grad();
      const double norm = step == 0 ? 5 : 0.5, clip = step == 0 ? 0.2 : 1;
      for (size_t i = 0; i < 2; ++i) {
        const auto part = [&](const Tensor& flat) { return ParameterStore::part(flat, store.entries()[i]); };
        fill(part(store.grad()), gradients[step][i]);
        const double g = clip * gradients[step][i];
        m[i] = kB1 * m[i] + (1 - kB1) * g;
        v[i] = kB2 * v[i] + (1 - kB2) * g * g;
        const double first = m[i] / (1 - std::pow(kB1, step + 1)), second = v[i] / (1 - std::pow(kB2, step + 1));
        want[i] -= kLr[step] * ((i == 0 ? kDecay * want[i] : 0) + first / (std::sqrt(second) + kEps));
      }
      state.set(step, kLr[step], 1);
      adamw.step(state);
      CHECK(item<double>(state.grad_norm) == doctest::Approx(norm).epsilon(1e-14));
      CHECK(item<double>(state.clip) == doctest::Approx(clip).epsilon(1e-14));
      for (size_t i = 0; i < 2; ++i) {
        const auto got = [&](const Tensor& flat) {
          return item<double>(ParameterStore::part(flat, store.entries()[i]));
        };
        CHECK(got(adamw.m()) == doctest::Approx(m[i]).epsilon(1e-14));
        CHECK(got(adamw.v()) == doctest::Approx(v[i]).epsilon(1e-14));
        CHECK(got(store.master()) == doctest::Approx(want[i]).epsilon(1e-14));
      }
    }
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
