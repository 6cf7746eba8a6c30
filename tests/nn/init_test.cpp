#include "nn/init.h"

#include <doctest/doctest.h>

#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tensor/transfer.h"
#include "tests/support/devices.h"

namespace matmix::testing {
namespace {

using nn::Init;

constexpr int64_t kDraws = 20000;

std::vector<double> draw(const Init& init, uint64_t stream = 1, int64_t n = kDraws) {
  const Tensor x = empty({n}, DType::F64);
  initialize(x, init, {.seed = 3, .stream = stream});
  return to_vector<double>(x);
}

/// Sorted u in [0, 1] are uniform: Kolmogorov's distance stays below 1.95 / sqrt(n) in 999 of 1000 cases.
void check_uniform(std::vector<double> u) {
  std::sort(u.begin(), u.end());
  const auto n = static_cast<double>(u.size());
  double distance = 0;
  for (size_t i = 0; i < u.size(); ++i)
    distance = std::max(distance, std::abs(u[i] - (static_cast<double>(i) + 0.5) / n));
  CHECK(distance < 1.95 / std::sqrt(n));
  CHECK(u.front() >= -1e-12);
  CHECK(u.back() <= 1 + 1e-12);
}

const std::vector<Init> kEveryKind{Init::constant(0.3), Init::normal(0.02), Init::uniform(-2, 5),
                                   Init::log_of_uniform(1, 16), Init::inverse_softplus_of_log_uniform(1e-3, 0.1)};

TEST_CASE("init: constants") {
  CHECK(draw(Init::zeros(), 1, 3) == std::vector<double>(3, 0));
  CHECK(draw(Init::ones(), 1, 3) == std::vector<double>(3, 1));
  CHECK(draw(Init::constant(-0.25), 1, 3) == std::vector<double>(3, -0.25));
}

TEST_CASE("init: uniform, and the bounds of a linear layer") {
  for (const auto& [init, low, high] :
       {std::tuple{Init::uniform(-2, 5), -2.0, 5.0}, {Init::linear_uniform(16), -0.25, 0.25}}) {
    auto u = draw(init);
    for (double& x : u) x = (x - low) / (high - low);
    check_uniform(u);
  }
}

TEST_CASE("init: normal") {
  auto u = draw(Init::normal(0.02, 3));
  for (double& x : u) x = 0.5 * std::erfc(-(x - 3) / 0.02 / std::sqrt(2.0));
  check_uniform(u);
}

TEST_CASE("init: A_log is the log of a uniform A") {
  auto u = draw(Init::log_of_uniform(1, 16));
  for (double& x : u) x = (std::exp(x) - 1) / 15;
  check_uniform(u);
}

TEST_CASE("init: softplus of dt_bias is log-uniform") {
  auto u = draw(Init::inverse_softplus_of_log_uniform(1e-3, 0.1));
  for (double& x : u) x = std::log(std::log1p(std::exp(x)) / 1e-3) / std::log(100.0);
  check_uniform(u);
}

TEST_CASE("init: dt is at least 1e-4") {
  const auto bias = draw(Init::inverse_softplus_of_log_uniform(1e-6, 1e-3));
  const double smallest = *std::min_element(bias.begin(), bias.end());
  CHECK(std::log1p(std::exp(smallest)) == doctest::Approx(1e-4).epsilon(1e-9));
  CHECK(std::count(bias.begin(), bias.end(), smallest) > kDraws / 2);
}

TEST_CASE("init: the same start for every dtype, device and thread count") {
  const int threads = thread_count();
  for (const Init& init : kEveryKind) {
    CAPTURE(to_string(init));
    set_thread_count(1);
    const Tensor want = empty({3, 777}, DType::F64);
    initialize(want, init, {.seed = 5, .stream = 7});
    set_thread_count(2);
    for (const Device device : test_devices())
      for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
        const Tensor x = empty({3, 777}, dtype, device);
        initialize(x, init, {.seed = 5, .stream = 7});
        CHECK(same_bits(x, cast(want, dtype)));
      }
    set_thread_count(threads);
  }
}

TEST_CASE("init: other streams and seeds give other values; a longer draw begins like a shorter one") {
  for (const Init& init : kEveryKind) {
    if (init.kind == Init::Kind::kConstant) continue;
    CHECK(draw(init, 1, 8) != draw(init, 2, 8));
    const auto longer = draw(init, 1, 50), shorter = draw(init, 1, 7);
    CHECK(std::vector<double>(longer.begin(), longer.begin() + 7) == shorter);
  }
}

TEST_CASE("init: as text") {
  CHECK(to_string(Init::zeros()) == "constant(0)");
  CHECK(to_string(Init::normal(0.02)) == "normal(0, 0.02)");
  CHECK(to_string(Init::linear_uniform(4)) == "uniform(-0.5, 0.5)");
  CHECK(to_string(Init::log_of_uniform(1, 16)) == "log_of_uniform(1, 16)");
  CHECK(to_string(Init::inverse_softplus_of_log_uniform(0.25, 0.5)) == "inverse_softplus_of_log_uniform(0.25, 0.5)");
}

TEST_CASE("init: what it refuses") {
  const Tensor x = empty({2}, DType::F32);
  CHECK_THROWS_WITH_AS(Init::linear_uniform(0), "linear_uniform: fan_in must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(initialize(empty({2}, DType::I64), Init::ones(), {}),
                       "initialize: master must be floating, got I64 [2] on CPU", Error);
  CHECK_THROWS_WITH_AS(initialize(x, Init::log_of_uniform(0, 1), {}),
                       "initialize: log_of_uniform must have low > 0, got 0", Error);
  CHECK_THROWS_WITH_AS(initialize(x, Init::inverse_softplus_of_log_uniform(-1, 1), {}),
                       "initialize: inverse_softplus_of_log_uniform must have low > 0, got -1", Error);
  CHECK_THROWS_WITH_AS(initialize(x, Init::uniform(2, 1), {}), "random_uniform: low must not exceed high, got [2, 1)",
                       Error);
}

}  // namespace
}  // namespace matmix::testing
