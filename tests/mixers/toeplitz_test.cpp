#include "mixers/toeplitz.h"

#include <doctest/doctest.h>

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

Streams random_streams(int64_t B, int64_t L, Device device) {
  Streams c(DType::F64, device);
  c.put_tokens("forward", random_tensor({B, L, 2}, 1, DType::F64, device));
  c.put_tokens("reverse", random_tensor({B, L, 2}, 2, DType::F64, device));
  return c;
}

/// The entry [b, h, i, j] of the reference's matrix, without its scale: the signal padded by L - 1 zeros and the taps
/// r_{L-1} .. r_1, f_0 .. f_{L-1} meet in a circular convolution of 2 L - 1.
double reference_entry(const Tensor& f, const Tensor& r, const Shape& i) {
  const int64_t L = f.dim(1), k = (i[2] - i[3] + L + 2 * L - 1) % (2 * L - 1);
  return k < L - 1 ? element<double>(r, {i[0], L - 1 - k, i[1]}) : element<double>(f, {i[0], k - L + 1, i[1]});
}

}  // namespace

TEST_CASE("toeplitz mixer: forward taps on and below the diagonal, reverse taps above") {
  const Toeplitz mixer(kShape, {.scale_len = 16});
  const Streams c = random_streams(2, 5, kCpu);
  const Tensor M = mixer.matrix(c, Runs::full(2, 5)).value(), f = c["forward"].value(), r = c["reverse"].value();
  for_each_index(M.shape(), [&](const Shape& i) {
    const int64_t lag = i[2] - i[3];
    const double tap = lag >= 0 ? element<double>(f, {i[0], lag, i[1]}) : element<double>(r, {i[0], -lag, i[1]});
    CHECK(element<double>(M, i) == 0.125 * tap);
  });
}

TEST_CASE("toeplitz mixer: the reference's matrix is one tap off, and both forms have it") {
  for (const int64_t L : {1, 2, 3, 8}) {
    const Toeplitz mixer(kShape, {.scale_len = 16, .reference_compat = true});
    const Streams c = random_streams(2, L, kCpu);
    const Tensor M = mixer.matrix(c, Runs::full(2, L)).value();
    for_each_index(M.shape(), [&](const Shape& i) {
      CHECK(element<double>(M, i) == 0.125 * reference_entry(c["forward"].value(), c["reverse"].value(), i));
    });
    const Tensor v = random_tensor({2, L, 2, 3}, 3);
    const Tensor want = zeros(v.shape(), DType::F64);
    for_each_index({2, 2, L, L}, [&](const Shape& i) {
      for (int64_t p = 0; p < 3; ++p)
        element<double>(want, {i[0], i[2], i[1], p}) +=
            element<double>(M, i) * element<double>(v, {i[0], i[3], i[1], p});
    });
    CHECK(relative_error(mixer.mix(c, v, Runs::full(2, L)).value(), want) <= tolerance(DType::F64, 64));
  }
}

TEST_CASE("toeplitz mixer: a causal one asks for forward taps alone") {
  for (const Device device : test_devices()) {
    const Toeplitz mixer(kShape, {.scale_len = 16, .causal = true});
    CHECK(mixer.traits().causal);
    REQUIRE(mixer.streams().size() == 1);
    Streams c(DType::F64, device);
    c.put_positions("forward", random_tensor({1, 9, 2}, 1, DType::F64, device));
    const Tensor M = to(mixer.matrix(c, Runs::full(1, 7)).value(), kCpu);
    for_each_index(M.shape(), [&](const Shape& i) {
      if (i[3] > i[2]) CHECK(element<double>(M, i) == 0);
    });
    const Tensor v = random_tensor({1, 7, 2, 3}, 3, DType::F64, device), late = clone(v);
    fill(late.narrow(1, 4, 3), 100);
    const auto early = [&](const Tensor& x) { return mixer.mix(c, x, Runs::full(1, 7)).value().narrow(1, 0, 4); };
    CHECK(relative_error(early(late), early(v)) <= tolerance(DType::F64, 1e4));  // of the largest, 100
  }
}

TEST_CASE("toeplitz mixer: what is refused") {
  CHECK_THROWS_WITH_AS(Toeplitz(kShape, {.scale_len = 0}), "toeplitz: scale_len must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(Toeplitz(kShape, {.causal = true, .reference_compat = true}),
                       "toeplitz: the reference's matrix is not causal; choose one of the two", Error);
}
