#include "ops/linear/linear.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "autograd/node.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

constexpr Activation kActivations[] = {Activation::kNone, Activation::kRelu, Activation::kSilu, Activation::kGelu,
                                       Activation::kTanh};

/// y and the gradients of x, weight and bias (if any), of linear or of its unfused parts.
struct Result {
  Tensor y, dx, dW, dbias;
};

Result run(const Tensor& x_value, const Tensor& W_value, const Tensor& bias_value, Activation act, const Tensor& dy,
           bool fused) {
  const Var x = leaf(x_value), W = leaf(W_value), bias = bias_value.defined() ? leaf(bias_value) : Var();
  Var y;
  if (fused) {
    y = linear(x, W, {.bias = bias, .act = act});
  } else {
    y = matmul(x, W, {.transpose_b = true});
    if (bias.defined()) y = cast(add(y, bias), x.dtype());
    y = activate(y, act);
  }
  backward(y, {.seed = dy});
  return {y.value(), x.grad(), W.grad(), bias.defined() ? bias.grad() : Tensor()};
}

TEST_CASE("linear equals its unfused parts in value and every gradient") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      for (const Activation act : kActivations)
        for (const bool has_bias : {false, true}) {
          CAPTURE(act);
          const Tensor x = random_tensor({3, 7, 33}, 1, dtype, device), W = random_tensor({19, 33}, 2, dtype, device);
          const Tensor bias = has_bias ? random_tensor({19}, 3, accumulator(dtype), device) : Tensor();
          const Tensor dy = random_tensor({3, 7, 19}, 4, dtype, device);
          const Result fused = run(x, W, bias, act, dy, true), parts = run(x, W, bias, act, dy, false);
          CHECK(relative_error(fused.y, parts.y) <= tolerance(dtype, 33));
          CHECK(relative_error(fused.dx, parts.dx) <= tolerance(dtype, 19));
          CHECK(relative_error(fused.dW, parts.dW) <= tolerance(dtype, 21));
          if (has_bias) CHECK(relative_error(fused.dbias, parts.dbias) <= tolerance(dtype, 21));
        }
}

TEST_CASE("linear: rows with a stride, gradients that land in a split's buffer, strided dy") {
  for (const Device device : test_devices())
    for (const Activation act : {Activation::kNone, Activation::kGelu}) {
      const Tensor wide = random_tensor({2, 5, 12}, 1, DType::F32, device),
                   W = random_tensor({4, 6}, 2, DType::F32, device);
      const Tensor dy = random_tensor({2, 5, 9}, 3, DType::F32, device).narrow(2, 1, 4);
      const Var source = leaf(wide);
      backward(linear(split(source, {3, 6, 3}, 2)[1], W, {.act = act}), {.seed = dy});
      const Result plain = run(contiguous(wide.narrow(2, 3, 6)), W, Tensor(), act, contiguous(dy), true);
      CHECK(relative_error(source.grad().narrow(2, 3, 6), plain.dx) <= tolerance(DType::F32, 4));
      CHECK(same_bits(source.grad().narrow(2, 0, 3), zeros({2, 5, 3}, DType::F32)));
      // Every second row of a batch: leading axes that do not merge.
      const Tensor gaps = wide.narrow(1, 0, 3).narrow(2, 0, 6);
      CHECK(same_bits(linear(gaps, W, {.act = act}).value(), linear(contiguous(gaps), W, {.act = act}).value()));
    }
}

TEST_CASE("linear: one vector, no rows, no inputs, no outputs") {
  for (const Device device : test_devices()) {
    const Tensor W = random_tensor({3, 4}, 1, DType::F64, device), bias = random_tensor({3}, 2, DType::F64, device);
    const Tensor x = random_tensor({4}, 3, DType::F64, device);
    CHECK(
        same_bits(linear(x, W, {.bias = bias}).value(), linear(x.unsqueeze(0), W, {.bias = bias}).value().squeeze(0)));
    CHECK(linear(zeros({2, 0, 4}, DType::F64, device), W).shape() == Shape{2, 0, 3});
    CHECK(linear(x, W.narrow(0, 0, 0)).shape() == Shape{0});
    CHECK(same_bits(linear(x.narrow(0, 0, 0), W.narrow(1, 0, 0), {.bias = bias}).value(), bias));
  }
}

TEST_CASE("linear: BF16 operands, F32 result, gradients added to a parameter's F32 gradient") {
  for (const Device device : test_devices()) {
    const Tensor x = random_tensor({40, 24}, 1, DType::BF16, device),
                 W = random_tensor({16, 24}, 2, DType::BF16, device);
    const Tensor dy = cast(random_tensor({40, 16}, 3, DType::BF16, device), DType::F32);
    Var weight = leaf(W, "weight", DType::F32), bias = leaf(zeros({16}, DType::F32, device));
    weight.leaf()->grad = full({16, 24}, 100, DType::F32, device);
    bias.leaf()->grad = full({16}, 50, DType::F32, device);
    const Tensor place = weight.grad();
    const Var y = linear(x, weight, {.bias = bias, .out_dtype = DType::F32});
    backward(y, {.seed = dy});
    CHECK(y.dtype() == DType::F32);
    CHECK(weight.grad().same_view_as(place));
    const Result exact = run(cast(x, DType::F64), cast(W, DType::F64), zeros({16}, DType::F64, device),
                             Activation::kNone, cast(dy, DType::F64), true);
    CHECK(relative_error(y.value(), exact.y) <= tolerance(DType::F32, 24));
    CHECK(relative_error(cast(weight.grad(), DType::F64), add(exact.dW, full({}, 100, DType::F64, device)).value()) <=
          tolerance(DType::F32, 40));
    CHECK(relative_error(cast(bias.grad(), DType::F64), add(exact.dbias, full({}, 50, DType::F64, device)).value()) <=
          tolerance(DType::F32, 40));
  }
}

TEST_CASE("linear: the same bits twice and for any thread count") {
  const int threads = thread_count();
  for (const Device device : test_devices()) {
    const Tensor x = random_tensor({600, 100}, 1, DType::F32, device),
                 W = random_tensor({130, 100}, 2, DType::F32, device);
    const Tensor bias = random_tensor({130}, 3, DType::F32, device),
                 dy = random_tensor({600, 130}, 4, DType::F32, device);
    std::vector<Result> results;
    for (const int count : {1, 2, 2}) {
      set_thread_count(count);
      results.push_back(run(x, W, bias, Activation::kGelu, dy, true));
    }
    for (const Result& again : results) {
      CHECK(same_bits(again.y, results[0].y));
      CHECK(same_bits(again.dx, results[0].dx));
      CHECK(same_bits(again.dW, results[0].dW));
      CHECK(same_bits(again.dbias, results[0].dbias));
    }
  }
  set_thread_count(threads);
}

TEST_CASE("linear: keeps x, and u only where the activation's slope needs it") {
  const Tensor x = random_tensor({8, 4}, 1, DType::F64), W = random_tensor({3, 4}, 2, DType::F64);
  const int64_t plain = x.numel() + W.numel(), u = 8 * 3, bias = 3;
  const auto kept = [&](Activation act) {
    return linear(leaf(x), leaf(W), {.act = act}).node()->saved_bytes() / static_cast<int64_t>(sizeof(double));
  };
  CHECK(kept(Activation::kNone) == plain);
  CHECK(kept(Activation::kRelu) == plain + u);
  CHECK(kept(Activation::kSilu) == plain + u + bias);
}

TEST_CASE("linear: what it refuses") {
  const Var x = zeros({2, 3}, DType::F32), W = zeros({4, 3}, DType::F32);
  CHECK_THROWS_WITH_AS(linear(x, zeros({3, 4}, DType::F32)),
                       "linear: weight must be [N, 3], got F32 [3, 4] on CPU; x is F32 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(linear(x, zeros({4, 3}, DType::BF16)),
                       "linear: weight must have x's dtype and device, got BF16 [4, 3] on CPU; x is F32 [2, 3] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(linear(x, W, {.bias = zeros({3}, DType::F32)}),
                       "linear: bias must be floating [4] on x's device, got F32 [3] on CPU; x is F32 [2, 3] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(linear(x, W, {.out_dtype = DType::F64}), "linear: out_dtype must be F32, got F64", Error);
  CHECK_THROWS_WITH_AS(linear(zeros({2, 3}, DType::I32), W),
                       "linear: x must be floating [..., K], got I32 [2, 3] on CPU", Error);
}

}  // namespace
}  // namespace matmix::testing
