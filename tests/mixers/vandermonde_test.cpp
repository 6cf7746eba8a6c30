#include "mixers/vandermonde.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "nn/parameter_store.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

namespace {

Streams drawn(int64_t B, int64_t L) {
  Streams c(DType::F64, kCpu);
  c.put_tokens("q", random_tensor({B, L, 2, 2}, 1));
  c.put_tokens("k", random_tensor({B, L, 2, 2}, 2));
  return c;
}

Var by_matrix(const Mixer& mixer, const Streams& c, const Tensor& v, const Runs& runs) {
  return permute(matmul(mixer.matrix(c, runs), permute(v, {0, 2, 1, 3})), {0, 2, 1, 3});
}

}  // namespace

TEST_CASE("vandermonde: the entries of the definition") {
  Vandermonde mixer({.D = 2, .H = 1, .P = 2}, {.qk_dim = 1, .scale_len = 2, .eps = 0.01});
  const Tensor q = random_tensor({1, 5, 1, 1}, 1), k = random_tensor({1, 5, 1, 1}, 2);
  Streams c(DType::F64, kCpu);
  c.put_tokens("q", q);
  c.put_tokens("k", k);
  const Tensor M = mixer.matrix(c, Runs::full(1, 5)).value();
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t j = 0; j < 5; ++j) {
      const double turn = 2 * std::numbers::pi * 0.01;
      const double a = std::cos(turn * q.data<double>()[i] * static_cast<double>(j));
      const double b = std::cos(turn * k.data<double>()[j] * static_cast<double>(i));
      CHECK(std::abs(M.data<double>()[i * 5 + j] - (a - b) / 2) <= 1e-14);
    }
}

TEST_CASE("vandermonde: the grid on runs of unlike lengths") {
  Vandermonde mixer({.D = 6, .H = 2, .P = 3}, {.qk_dim = 2, .eps = 0.1});
  const Runs runs = Runs::of(2, 400, {{0, 0, 400}, {1, 3, 300}, {1, 310, 5}});
  const Streams c = drawn(2, 400);
  const Tensor v = random_tensor({2, 400, 2, 3}, 3);
  CHECK(relative_error(mixer.mix(c, v, runs).value(), by_matrix(mixer, c, v, runs).value()) <= mixer.traits().accuracy);
}

TEST_CASE("vandermonde: a table starts where gradients lead on") {
  BlockOptions options{.d_model = 4, .headdim = 4, .source = Table{.max_len = 6}};
  MixerBlock block(options, [](const BlockShape& s) {
    return std::make_unique<Vandermonde>(s, VandermondeMixerOptions{.qk_dim = 2, .scale_len = 6});
  });
  nn::ParameterStore store(block, kCpu, MathMode::kF64, 1);
  for (const auto& entry : store.entries())
    if (entry.path == "coefficients.q") {
      const Tensor q = nn::ParameterStore::part(store.master(), entry);
      CHECK(relative_error(q, zeros_like(q)) > 0.5 * std::sqrt(static_cast<double>(q.numel())));
    }
}

TEST_CASE("vandermonde: the reference's table rescales every token by the sum of its row, and mixes nothing") {
  Vandermonde mixer({.D = 6, .H = 2, .P = 3}, {.qk_dim = 2, .eps = 1, .reference_compat = true});
  const Runs runs = Runs::of(2, 9, {{0, 0, 9}, {1, 1, 5}});
  const Streams c = drawn(2, 9);
  const Tensor v = random_tensor({2, 9, 2, 3}, 3), M = contiguous(mixer.matrix(c, runs).value());
  double outside = 0;
  for (int64_t b = 0; b < 4; ++b)
    for (int64_t i = 0; i < 9; ++i)
      for (int64_t j = 0; j < 9; ++j)
        if (i != j) outside += std::abs(M.data<double>()[(b * 9 + i) * 9 + j]);
  CHECK(outside == 0);
  CHECK(relative_error(mixer.mix(c, v, runs).value(), by_matrix(mixer, c, v, runs).value()) <= 1e-12);
}

TEST_CASE("vandermonde: errors") {
  CHECK_THROWS_WITH(Vandermonde({.D = 1, .H = 1, .P = 1}, {.scale_len = 0}),
                    "vandermonde: qk_dim and scale_len must be positive, got 16 and 0");
}
