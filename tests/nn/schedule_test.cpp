#include "nn/schedule.h"

#include <doctest/doctest.h>

using matmix::nn::WarmupLinear;

TEST_CASE("warm-up rises to the peak, then falls in a line to its last value") {
  const WarmupLinear lr{.peak = 2, .warmup = 4, .total = 14, .final_fraction = 0.1};
  CHECK(lr(0) == 0.5);
  CHECK(lr(3) == 2.0);
  CHECK(lr(4) == 2.0);
  CHECK(lr(9) == doctest::Approx(2 * (1 - 0.5 * 0.9)));
  CHECK(lr(14) == doctest::Approx(0.2));
  CHECK(lr(1000) == doctest::Approx(0.2));
  CHECK(WarmupLinear{.peak = 1, .warmup = 0, .total = 1}(0) == 1);
}
