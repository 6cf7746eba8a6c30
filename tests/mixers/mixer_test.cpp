#include "mixers/mixer.h"

#include <doctest/doctest.h>

#include "mixers/identity.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::mixers;
using namespace matmix::testing;

namespace {

/// M_ij = q_i k_j, H heads, no fast form: what by_runs and by_matrix must get right.
struct Outer final : Mixer {
  explicit Outer(int64_t copies = 1) : copies(copies) {}
  Traits traits() const override { return {.name = "outer", .max_len = 6, .copies = copies}; }
  std::vector<Stream> streams() const override { return {{"q", {2}, Route::kConv}, {"k", {2}, Route::kConv}}; }
  void visit(nn::Visitor&) override {}
  Var do_matrix(const Streams& c, int64_t) const override {
    const Var q = unsqueeze(transpose(c["q"], 1, 2), 3), k = unsqueeze(transpose(c["k"], 1, 2), 2);
    const Var M = q * k;
    return copies == 1 ? M : concat({M, M}, 1);
  }
  std::optional<Var> do_offset(const Streams&, int64_t) const override { return std::nullopt; }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override { return by_matrix(c, v, runs); }
  int64_t copies;
};

Streams streams(int64_t B, int64_t L) {
  Streams c(DType::F64, kCpu);
  c.put_tokens("q", random_tensor({B, L, 2}, 1));
  c.put_tokens("k", random_tensor({B, L, 2}, 2));
  return c;
}

/// y[b, i, h, p] = sum_j M[b, h, i, j] v[b, j, h, p], by loops.
Tensor by_loops(const Tensor& M, const Tensor& v) {
  const int64_t B = v.dim(0), L = v.dim(1), H = v.dim(2), P = v.dim(3), heads = M.dim(1);
  const auto m = to_vector<double>(M), x = to_vector<double>(v);
  std::vector<double> y(static_cast<size_t>(B * L * heads * P));
  for (int64_t b = 0; b < B; ++b)
    for (int64_t i = 0; i < L; ++i)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t p = 0; p < P; ++p)
          for (int64_t j = 0; j < L; ++j)
            y[static_cast<size_t>(((b * L + i) * heads + h) * P + p)] +=
                m[static_cast<size_t>(((b * heads + h) * L + i) * L + j)] *
                x[static_cast<size_t>(((b * L + j) * H + h % H) * P + p)];
  return from_vector(y, {B, L, heads, P});
}

}  // namespace

TEST_CASE("matrix is block diagonal over runs, mix is its product, and gives it back column by column") {
  for (const int64_t copies : {1, 2}) {
    const Outer mixer(copies);
    for (const Runs& runs :
         {Runs::full(2, 5), Runs::of(2, 5, {{0, 0, 2}, {0, 2, 2}, {1, 1, 4}}), Runs::of_lengths(5, {0, 3})}) {
      const Streams c = streams(2, 5);
      const Tensor v = random_tensor({2, 5, 2, 3}, 3);
      const Tensor M = mixer.matrix(c, runs).value();
      CHECK(M.shape() == Shape{2, 2 * copies, 5, 5});
      CHECK(relative_error(mixer.mix(c, v, runs).value(), by_loops(M, v)) < 1e-14);
      for (const int64_t P : {1, 2, 7}) CHECK(same_bits(contiguous(mixer.matrix_by_mix(c, runs, 2, P)).value(), M));
      const auto id = to_vector<int32_t>(runs.id(kCpu));
      const auto m = to_vector<double>(M);
      for (size_t k = 0; k < m.size(); ++k) {
        const size_t j = k % 5, i = k / 5 % 5, b = k / (25 * static_cast<size_t>(2 * copies));
        if (id[b * 5 + i] < 0 || id[b * 5 + i] != id[b * 5 + j]) CHECK(m[k] == 0);
      }
    }
  }
}

TEST_CASE("a batch of padding gives zeros") {
  const Outer mixer;
  const Tensor v = random_tensor({2, 5, 2, 3}, 3);
  const Tensor y = mixer.mix(streams(2, 5), v, Runs::of_lengths(5, {0, 0})).value();
  CHECK(same_bits(y, zeros({2, 5, 2, 3}, DType::F64)));
}

TEST_CASE("identity is 1 inside the runs and 0 at padding") {
  const Identity mixer({.D = 6, .H = 2, .P = 3});
  const Tensor v = random_tensor({2, 5, 2, 3}, 3);
  const Streams c(DType::F64, kCpu);
  CHECK(mixer.mix(c, v, Runs::full(2, 5)).value().same_view_as(v));
  for (const Runs& runs : {Runs::full(2, 5), Runs::of(2, 5, {{0, 1, 2}, {1, 0, 5}})}) {
    const Tensor y = mixer.mix(c, v, runs).value();
    CHECK(same_bits(y, by_loops(mixer.matrix(c, runs).value(), v)));
  }
}

TEST_CASE("what does not fit is refused") {
  const Outer mixer;
  CHECK_THROWS_WITH_AS(mixer.matrix(streams(1, 7), Runs::full(1, 7)), "outer: runs must have at most 6 tokens, got 7",
                       Error);
  CHECK_THROWS_WITH_AS(mixer.mix(streams(1, 5), random_tensor({1, 5, 6}, 1), Runs::full(1, 5)),
                       "outer: v must be [1, 5, H, P], got F64 [1, 5, 6] on CPU", Error);
}
