#include "ops/adamw/adamw.h"

#include <doctest/doctest.h>

#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

/// One optimised range and what its steps read.
struct State {
  Tensor weight, grad, m, v, shadow, step, lr, clip;

  State(const Tensor& start, Device device, bool with_shadow = false)
      : weight(clone(to(start, device))),
        grad(zeros_like(weight)),
        m(zeros_like(weight)),
        v(zeros_like(weight)),
        shadow(with_shadow ? empty(weight.shape(), DType::BF16, device) : Tensor()),
        step(zeros({1}, DType::I64, device)),
        lr(full({1}, 0.1, DType::F64, device)),
        clip(full({1}, 1, DType::F64, device)) {}

  void take_step(int64_t t, const Tensor& gradient, const AdamWOptions& options) {
    fill(step, static_cast<double>(t));
    copy(grad, gradient);
    adamw(weight, grad, m, v, shadow, step, lr, clip, options);
  }
};

/// The header's formula in F64, element by element.
std::vector<double> three_steps(const std::vector<Tensor>& gradients, const Tensor& start, const AdamWOptions& o,
                                double lr, double clip) {
  std::vector<double> w = to_vector<double>(start), m(w.size()), v(w.size());
  for (size_t t = 0; t < gradients.size(); ++t) {
    const auto grad = to_vector<double>(gradients[t]);
    const double c1 = 1 - std::pow(o.beta1, static_cast<double>(t + 1));
    const double c2 = 1 - std::pow(o.beta2, static_cast<double>(t + 1));
    for (size_t i = 0; i < w.size(); ++i) {
      const double g = clip * grad[i];
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g;
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g * g;
      w[i] -= lr * (o.weight_decay * w[i] + m[i] / c1 / (std::sqrt(v[i] / c2) + o.eps));
    }
  }
  return w;
}

// beta1 = beta2 = 1/2, eps = 1, lr = 0.1, weight_decay = 0.5, w = 1, gradients 3, 0, -4:
//   t = 1   m = 3/2      v = 9/2       m^ = 3       v^ = 9        w = 1 - 0.1 (0.5 + 3 / 4)                = 0.875
//   t = 2   m = 3/4      v = 9/4       m^ = 1       v^ = 3        w = 0.875 - 0.1 (0.4375 + 1 / (sqrt 3 + 1))
//   t = 3   m = -13/8    v = 73/8      m^ = -13/7   v^ = 73/7     w -= 0.1 (w / 2 - 13 / 7 / (sqrt(73 / 7) + 1))
TEST_CASE("adamw: three steps worked by hand") {
  const double first = 0.875, second = first - 0.1 * (0.4375 + 1 / (std::sqrt(3.0) + 1));
  const double third = second - 0.1 * (second / 2 - 13.0 / 7 / (std::sqrt(73.0 / 7) + 1));
  const AdamWOptions options{.beta1 = 0.5, .beta2 = 0.5, .eps = 1, .weight_decay = 0.5};
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32}) {
      State state(full({1}, 1, dtype), device);
      int64_t t = 0;
      for (const auto& [gradient, want] : {std::pair{3.0, first}, {0.0, second}, {-4.0, third}}) {
        state.take_step(t++, full({1}, gradient, dtype), options);
        CHECK(relative_error(state.weight, full({1}, want, DType::F64)) <= tolerance(dtype));
      }
      CHECK(item<double>(state.m) == -13.0 / 8);
      CHECK(item<double>(state.v) == 73.0 / 8);
    }
}

TEST_CASE("adamw: the first step moves by the learning rate, whatever the gradient's size") {
  for (const Device device : test_devices()) {
    State state(zeros({3}, DType::F64), device);
    state.take_step(0, from_vector<double>({1e-3, -1, 1e5}), {.eps = 1e-30});
    CHECK(relative_error(state.weight, from_vector<double>({-0.1, 0.1, -0.1})) <= tolerance(DType::F64));
  }
}

TEST_CASE("adamw: any length and alignment, with clip and learning rate read from memory") {
  const AdamWOptions options{.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.1, .lr_scale = 0.5};
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32})
      for (const int64_t n : {0, 1, 3, 8, 20001})
        for (const int64_t offset : {0, 1}) {
          const auto part = [&](uint64_t seed) {
            return random_tensor({n + offset}, seed, dtype).narrow(0, offset, n);
          };
          State state(zeros({0}, dtype), device, true);
          for (Tensor* x : {&state.weight, &state.grad, &state.m, &state.v})
            *x = zeros({n + offset}, dtype, device).narrow(0, offset, n);
          state.shadow = zeros({n + offset}, DType::BF16, device).narrow(0, offset, n);
          copy(state.weight, part(1));
          fill(state.lr, 0.04);
          fill(state.clip, 0.3);
          const std::vector<Tensor> gradients{part(2), part(3), part(4)};
          for (size_t t = 0; t < 3; ++t) state.take_step(static_cast<int64_t>(t), gradients[t], options);
          const auto want = three_steps(gradients, part(1), options, 0.02, 0.3);
          CHECK(relative_error(state.weight, from_vector(want)) <= tolerance(dtype));
          CHECK(same_bits(state.shadow, cast(state.weight, DType::BF16)));
        }
}

TEST_CASE("adamw: small steps are not lost at a large step count") {
  for (const Device device : test_devices()) {
    State state(full({2}, 1, DType::F32), device);
    const double expected_m = 0.1 * 2, expected_v = 0.001 * 4;
    state.take_step(1000000, full({2}, 2, DType::F32), {});
    CHECK(relative_error(state.weight, full({2}, 1 - 0.1 * expected_m / std::sqrt(expected_v), DType::F64)) <=
          tolerance(DType::F32));
  }
}

TEST_CASE("adamw: says what it changed") {
  State state(full({2}, 1, DType::F32), kCpu, true);
  const uint64_t before[] = {state.weight.version(), state.m.version(), state.v.version(), state.shadow.version()};
  const uint64_t grad = state.grad.version();
  adamw(state.weight, state.grad, state.m, state.v, state.shadow, state.step, state.lr, state.clip, {});
  CHECK(state.weight.version() > before[0]);
  CHECK(state.m.version() > before[1]);
  CHECK(state.v.version() > before[2]);
  CHECK(state.shadow.version() > before[3]);
  CHECK(state.grad.version() == grad);
}

TEST_CASE("adamw: the same bits twice and for any thread count") {
  const int threads = thread_count();
  for (const Device device : test_devices()) {
    std::vector<Tensor> weights;
    for (const int count : {1, 2, 2}) {
      set_thread_count(count);
      State state(random_tensor({50001}, 1, DType::F32), device);
      state.take_step(4, random_tensor({50001}, 2, DType::F32), {.weight_decay = 0.1});
      weights.push_back(state.weight);
    }
    set_thread_count(threads);
    CHECK(same_bits(weights[1], weights[0]));
    CHECK(same_bits(weights[2], weights[0]));
  }
}

TEST_CASE("adamw: what it refuses") {
  State s(zeros({4}, DType::F32), kCpu);
  const auto run = [&](const AdamWOptions& options = {}) {
    adamw(s.weight, s.grad, s.m, s.v, s.shadow, s.step, s.lr, s.clip, options);
  };
  CHECK_THROWS_WITH_AS(run({.beta1 = 1}), "adamw: beta1 must be in [0, 1), got 1", Error);
  CHECK_THROWS_WITH_AS(run({.beta2 = -0.5}), "adamw: beta2 must be in [0, 1), got -0.5", Error);
  CHECK_THROWS_WITH_AS(run({.eps = 0}), "adamw: eps must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(run({.weight_decay = -1}), "adamw: weight_decay must not be negative, got -1", Error);
  CHECK_THROWS_WITH_AS(run({.lr_scale = -1}), "adamw: lr_scale must not be negative, got -1", Error);
  s.shadow = zeros({4}, DType::F32);
  CHECK_THROWS_WITH_AS(run(), "adamw: shadow must be contiguous BF16 [4] on CPU, got F32 [4] on CPU", Error);
  s.lr = zeros({1}, DType::F32);
  s.shadow = Tensor();
  CHECK_THROWS_WITH_AS(run(), "adamw: lr must be F64 [1] on CPU, got F32 [1] on CPU", Error);
  s.m = zeros({5}, DType::F32);
  CHECK_THROWS_WITH_AS(run(), "adamw: m must be contiguous F32 [4] on CPU, got F32 [5] on CPU", Error);
  s.weight = zeros({4}, DType::BF16);
  CHECK_THROWS_WITH_AS(run(), "adamw: weight must be contiguous F32 or F64 [n], got BF16 [4] on CPU", Error);
}

}  // namespace
}  // namespace matmix::testing
