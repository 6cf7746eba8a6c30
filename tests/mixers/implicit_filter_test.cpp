#include "mixers/implicit_filter.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "mixers/toeplitz.h"
#include "nn/parameter_store.h"
#include "tensor/compare.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::testing;
using namespace matmix::mixers;

TEST_CASE("implicit filter: a position's tap does not depend on how many there are") {
  for (const Device device : test_devices()) {
    ImplicitFilter filter({3, 2}, {.scale_len = 64});
    const nn::ParameterStore store(filter, device, MathMode::kF64, 1);
    const Tensor f = filter.forward(500).value();
    CHECK(f.shape() == Shape{1, 500, 3, 2});
    CHECK(relative_error(filter.forward(40).value(), f.narrow(1, 0, 40)) <= tolerance(DType::F64, 64));
    CHECK(filter.forward(0).shape() == Shape{1, 0, 3, 2});
  }
}

TEST_CASE("implicit filter: it fades, and every parameter learns") {
  for (const MathMode mode : {MathMode::kF64, MathMode::kF32, MathMode::kBF16}) {
    ImplicitFilter filter({4}, {.scale_len = 32});
    nn::ParameterStore store(filter, kCpu, mode, 1);
    const Var f = filter.forward(2000);
    const Tensor none = zeros({1, 50, 4}, DType::F64);
    CHECK(relative_error(f.value().narrow(1, 1950, 50), none) <
          1e-3 * relative_error(f.value().narrow(1, 0, 50), none));
    backward(f, {.seed = random_tensor(f.shape(), 2, f.dtype())});
    for (const auto& e : store.entries()) {
      const Tensor g = nn::ParameterStore::part(store.grad(), e);
      CHECK_MESSAGE(relative_error(g, zeros_like(g)) > 0, e.path);
    }
  }
}

TEST_CASE("implicit filter: a block with generated taps takes any length") {
  const BlockOptions options{
      .d_model = 6, .expand = 2, .headdim = 3, .source = implicit_filters({.width = 8, .scale_len = 16})};
  MixerBlock block(options, [](const BlockShape& s) {
    return std::make_unique<Toeplitz>(s, ToeplitzMixerOptions{.scale_len = 16});
  });
  const nn::ParameterStore store(block, kCpu, MathMode::kF64, 1);
  CHECK(block.extendable());
  CHECK(!block.data_dependent());
  for (const int64_t L : {1, 7, 100}) {
    const Var y = block.forward(random_tensor({2, L, 6}, 1), Runs::full(2, L));
    CHECK(y.shape() == Shape{2, L, 6});
  }
}

TEST_CASE("implicit filter: what is refused") {
  CHECK_THROWS_WITH_AS(ImplicitFilter({2}, {.width = 8, .scale_len = 0}),
                       "implicit_filter: width and scale_len must be positive and bands not negative, got 8, 0 and 8",
                       Error);
}
