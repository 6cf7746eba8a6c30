#include "ops/attention/attention.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/backward.h"
#include "autograd/node.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

using Form = Var (*)(const Var&, const Var&, const Var&, const AttentionOptions&);

Var by_matrix(const Var& q, const Var& k, const Var& v, const AttentionOptions& options) {
  AttentionOptions of_batch = options;
  if (!of_batch.runs) of_batch.runs = Runs::full(v.dim(0), v.dim(1));
  return transpose(matmul(attention_matrix(q, k, of_batch), transpose(v, 1, 2)), 1, 2);
}

struct Sizes {
  int64_t B = 2, L = 7, H = 2, E = 3, P = 4, B_of_q = 0, B_of_k = 0;
};

/// The result, then the gradients of q, k and v.
std::vector<Tensor> evaluate(Form form, std::vector<Tensor> inputs, const AttentionOptions& options) {
  std::vector<Var> x;
  for (const Tensor& input : inputs) x.push_back(leaf(input));
  const Var y = form(x[0], x[1], x[2], options);
  backward(y, {.seed = random_tensor(y.shape(), 9, y.dtype(), y.device())});
  return {y.value(), x[0].grad(), x[1].grad(), x[2].grad()};
}

std::vector<Tensor> draw(const Sizes& s, DType dtype, Device device) {
  return {random_tensor({s.B_of_q ? s.B_of_q : s.B, s.L, s.H, s.E}, 1, dtype, device),
          random_tensor({s.B_of_k ? s.B_of_k : s.B, s.L, s.H, s.E}, 2, dtype, device),
          random_tensor({s.B, s.L, s.H, s.P}, 3, dtype, device)};
}

std::vector<Tensor> in_f64(std::vector<Tensor> tensors) {
  for (Tensor& x : tensors) x = cast(to(x, kCpu), DType::F64);
  return tensors;
}

void check_twins(const Sizes& s, const AttentionOptions& options) {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
      const std::vector<Tensor> inputs = draw(s, dtype, device);
      const auto got = evaluate(attention, inputs, options), want = evaluate(by_matrix, in_f64(inputs), options);
      for (size_t i = 0; i < got.size(); ++i) {
        CAPTURE(text(s.L, " tokens, ", dtype, " on ", device, ", part ", i));
        CHECK(got[i].dtype() == dtype);
        CHECK(relative_error(got[i], want[i]) <= tolerance(dtype, static_cast<double>(s.B * s.L * (s.E + s.P))));
      }
    }
}

TEST_CASE("attention: equals its matrix, in value and every gradient, for any length") {
  for (const bool causal : {false, true}) {
    for (const int64_t L : {0, 1, 2, 3, 17, 63, 64, 65, 130}) check_twins({.L = L}, {.causal = causal});
    check_twins({.B = 1, .L = 300, .H = 1}, {.causal = causal});
    check_twins({.B = 1, .L = 40, .H = 1, .E = 65, .P = 130}, {.causal = causal});
    check_twins({.B_of_q = 1, .B_of_k = 1}, {.causal = causal});
    check_twins({.E = 1, .P = 1}, {.scale = 3, .causal = causal});
  }
}

TEST_CASE("attention: equals its matrix in packed and padded rows") {
  const int64_t L = 150;
  const Runs runs = Runs::of(2, L, {{0, 0, 1}, {0, 1, 66}, {0, 70, 64}, {1, 3, 129}});
  for (const bool causal : {false, true})
    for (const int64_t B_of_k : {2, 1}) check_twins({.L = L, .B_of_k = B_of_k}, {.causal = causal, .runs = runs});
}

TEST_CASE("attention: two tokens by hand") {
  const auto row = [](const std::vector<double>& values) { return from_vector(values, {1, 2, 1, 1}); };
  const Tensor q = row({0, std::log(3.0)}), k = row({0, 2}), v = row({4, 8});
  for (const Form form : {Form(attention), Form(by_matrix)}) {
    const auto check = [&](const AttentionOptions& options, const std::vector<double>& want) {
      CHECK(relative_error(form(q, k, v, options).value(), row(want)) <= tolerance(DType::F64));
    };
    check({.scale = 0.5}, {6, 7});  // weights 1/2 1/2, then 1/4 3/4
    check({}, {6, 7.6});            // E = 1: 1/2 1/2, then 1/10 9/10
    check({.scale = 0.5, .causal = true}, {4, 7});
    check({.runs = Runs::of(1, 2, {{0, 0, 1}, {0, 1, 1}})}, {4, 8});
    check({.runs = Runs::of(1, 2, {{0, 1, 1}})}, {0, 8});
  }
}

TEST_CASE("attention: weights are those of softmax however large the scores") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32}) {
      std::vector<Tensor> inputs = draw({.L = 90}, dtype, device);
      inputs[0] = full(inputs[0].shape(), 1e4, dtype, device);
      const auto got = evaluate(attention, inputs, {}), want = evaluate(by_matrix, inputs, {});
      CHECK(relative_error(got[0], want[0]) <= tolerance(dtype, 1e4));
      for (const Tensor& part : got) CHECK(std::isfinite(relative_error(part, zeros_like(part))));
    }
}

TEST_CASE("attention: padding is 0, whatever it holds, and reaches nobody") {
  for (const Device device : test_devices())
    for (const bool causal : {false, true}) {
      const Runs runs = Runs::of(2, 80, {{0, 5, 70}, {1, 0, 3}, {1, 3, 10}});
      const auto clean = draw({.L = 80}, DType::F32, device);
      auto dirty = clean;
      for (Tensor& x : dirty) {
        x = clone(x);
        for (const auto& [row, start, length] : {Run{0, 0, 5}, Run{0, 75, 5}, Run{1, 13, 67}})
          fill(x.select(0, row).narrow(0, start, length), NAN);
      }
      const AttentionOptions options{.causal = causal, .runs = runs};
      const auto want = evaluate(attention, clean, options), got = evaluate(attention, dirty, options);
      for (size_t i = 0; i < got.size(); ++i) {
        CHECK(same_bits(got[i], want[i]));
        for (const double x : to_vector<double>(got[i].select(0, 1).narrow(0, 13, 67))) CHECK(x == 0);
      }
      CHECK(same_bits(attention_matrix(dirty[0], dirty[1], options).value(),
                      attention_matrix(clean[0], clean[1], options).value()));
    }
}

TEST_CASE("attention: nothing of L x L is made or kept") {
  for (const Device device : test_devices()) {
    const int64_t L = 700;
    const auto inputs = draw({.B = 1, .L = L, .H = 1}, DType::F32, device);
    const auto pool = current_pool(device);
    pool->reset_peak();
    const int64_t before = pool->stats().live_bytes;
    const Var v = leaf(inputs[2]), y = attention(leaf(inputs[0]), leaf(inputs[1]), v, {});
    CHECK(y.node()->saved_bytes() == 4 * L * (3 + 3 + 4 + 4 + 1));
    backward(y, {.seed = inputs[2]});
    CHECK(pool->stats().peak_bytes - before < L * L);
  }
}

TEST_CASE("attention: parts of an in-projection are read and given their gradients in place") {
  for (const Device device : test_devices()) {
    const Var x = leaf(random_tensor({2, 9, 2 * (3 + 3 + 4)}, 4, DType::F64, device));
    const auto heads = [](const Var& part) { return reshape(part, {2, 9, 2, part.dim(2) / 2}); };
    const auto run = [&](Form form) {
      x.leaf()->grad = {};
      const std::vector<Var> parts = split(x, {6, 6, 8}, -1);
      const Var y = form(heads(parts[0]), heads(parts[1]), heads(parts[2]), {});
      backward(y, {.seed = random_tensor(y.shape(), 9, DType::F64, device)});
      return x.grad();
    };
    CHECK(relative_error(run(attention), run(by_matrix)) <= tolerance(DType::F64, 200));
  }
}

TEST_CASE("attention: the same bits for any number of threads") {
  const auto inputs = draw({.B = 3, .L = 200, .E = 16, .P = 16}, DType::F32, kCpu);
  const int before = thread_count();
  const AttentionOptions options{.runs = Runs::of_lengths(200, {200, 130, 7})};
  set_thread_count(1);
  const auto one = evaluate(attention, inputs, options);
  for (const int threads : {2, 3}) {
    set_thread_count(threads);
    const auto more = evaluate(attention, inputs, options);
    for (size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], more[i]));
  }
  set_thread_count(before);
}

TEST_CASE("attention: what is refused") {
  const auto x = [](const Shape& shape, DType dtype = DType::F32) { return Var(zeros(shape, dtype)); };
  const Var q = x({2, 5, 3, 4}), v = x({2, 5, 3, 6});
  CHECK_THROWS_WITH_AS(attention(q, q, x({2, 5, 3})),
                       "attention: v must be floating [B, L, H, P] with P positive, got F32 [2, 5, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(attention(x({2, 5, 3, 0}), q, v),
                       "attention: q must be floating [B, L, H, E] with H and E positive, got F32 [2, 5, 3, 0] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(attention(x({3, 5, 3, 4}), q, v),
                       "attention: q must be F32 [2, 5, 3, 4] on CPU, got F32 [3, 5, 3, 4] on CPU", Error);
  CHECK_THROWS_WITH_AS(attention(q, x({1, 5, 3, 5}), v),
                       "attention: k must be F32 [1, 5, 3, 4] on CPU, got F32 [1, 5, 3, 5] on CPU", Error);
  CHECK_THROWS_WITH_AS(attention(q, x({2, 5, 3, 4}, DType::F64), v),
                       "attention: k must be F32 [2, 5, 3, 4] on CPU, got F64 [2, 5, 3, 4] on CPU", Error);
  CHECK_THROWS_WITH_AS(attention(q, q, x({2, 5, 2, 6})),
                       "attention: v must be F32 [2, 5, 3, 6] on CPU, got F32 [2, 5, 2, 6] on CPU", Error);
  CHECK_THROWS_WITH_AS(attention(q, q, v, {.runs = Runs::full(2, 4)}),
                       "attention: runs must be of 2 rows of 5 tokens, got 2 of 4", Error);
  CHECK_THROWS_WITH_AS(attention_matrix(q, x({2, 5, 3})),
                       "attention: q and k must be [B, L, H, E], got F32 [2, 5, 3, 4] on CPU and F32 [2, 5, 3] on CPU",
                       Error);
}

}  // namespace
}  // namespace matmix::testing
