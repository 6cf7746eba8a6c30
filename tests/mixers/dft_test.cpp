#include "mixers/dft.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "mixers/structure.h"
#include "tensor/compare.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/indices.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::testing;
using namespace matmix::mixers;

namespace {

constexpr BlockShape kShape{.D = 6, .H = 2, .P = 3};

}  // namespace

TEST_CASE("dft mixer: cosines of max_len, whatever the length at hand") {
  for (const int64_t L : {1, 4, 9, 20}) {
    const Tensor M = Dft(kShape, 9).matrix(Streams(DType::F64, kCpu), Runs::full(1, L)).value();
    for_each_index(M.shape(), [&](const Shape& i) {
      const double turns = static_cast<double>(i[2] * i[3]) / 9;
      CHECK(element<double>(M, i) == doctest::Approx(std::cos(2 * std::numbers::pi * turns) / 3).epsilon(1e-12));
    });
  }
}

TEST_CASE("dft mixer: its rank is max_len / 2 + 1") {
  for (const int64_t n : {8, 9}) {
    const Tensor M = Dft(kShape, n).matrix(Streams(DType::F64, kCpu), Runs::full(1, 20)).value();
    CHECK(rank(M.select(0, 0).select(0, 0)) == n / 2 + 1);
  }
}

TEST_CASE("dft mixer: both forms agree on every device, below and beyond max_len") {
  for (const Device device : test_devices())
    for (const int64_t L : {3, 7, 30}) {
      const Dft mixer(kShape, 7);
      const Streams c(DType::F64, device);
      const Tensor M = to(mixer.matrix(c, Runs::full(1, L)).value(), kCpu), v = random_tensor({2, L, 2, 3}, 1);
      const Tensor want = zeros(v.shape(), DType::F64);
      for_each_index({2, L, 2, 3}, [&](const Shape& i) {
        for (int64_t j = 0; j < L; ++j)
          element<double>(want, i) +=
              element<double>(M, {0, i[2], i[1], j}) * element<double>(v, {i[0], j, i[2], i[3]});
      });
      CHECK(relative_error(mixer.mix(c, to(v, device), Runs::full(2, L)).value(), want) <= tolerance(DType::F64, 64));
    }
}

TEST_CASE("dft mixer: what is refused") {
  CHECK_THROWS_WITH_AS(Dft(kShape, 0), "dft: max_len must be positive, got 0", Error);
}
