#include "ops/norm/norm.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/reduce/reduce.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

constexpr NormKind kKinds[] = {NormKind::kRms, NormKind::kLayer};
constexpr GateOrder kOrders[] = {GateOrder::kAfterNorm, GateOrder::kBeforeNorm};

/// The definition in plain ops, rounding where the fused op rounds.
NormResult composition(const Var& x, const Var& weight, const NormOptions& o) {
  const DType wide = accumulator(x.dtype());
  Var u = cast(x, wide);
  const Var gate = o.gate.defined() ? silu(cast(o.gate, wide)) : Var();
  Var r;
  if (o.residual.defined()) u = r = cast(add(u, o.residual), o.residual.dtype());
  u = cast(u, wide);
  if (gate.defined() && o.order == GateOrder::kBeforeNorm) u = u * gate;
  if (o.kind == NormKind::kLayer) u = u - mean(u, {-1}, true);
  Var v = u * rsqrt(affine(mean(square(u), {-1}, true), 1, o.eps)) * weight;
  if (o.bias.defined()) v = v + o.bias;
  if (gate.defined() && o.order == GateOrder::kAfterNorm) v = v * gate;
  return {cast(v, o.out_dtype.value_or(x.dtype())), r};
}

/// A call with values of its own: which parts there are, and the dtypes of x, the residual and y.
struct Call {
  NormKind kind = NormKind::kRms;
  GateOrder order = GateOrder::kAfterNorm;
  bool bias = false, residual = false, gate = false;
  DType x_dtype = DType::F64, r_dtype = DType::F64, y_dtype = DType::F64;
  Shape shape = {3, 5, 37};
  Device device = kCpu;
};

/// y, r and the gradients of x, weight, bias, residual, gate; undefined where the call has no such part.
std::vector<Tensor> run(const Call& call, bool fused) {
  const DType wide = accumulator(call.x_dtype);
  uint64_t seed = 0;
  const auto random = [&](const Shape& shape, DType dtype) { return random_tensor(shape, ++seed, dtype, call.device); };
  const auto make = [&](bool wanted, const Shape& shape, DType dtype) {
    const Tensor values = random(shape, dtype);
    return wanted ? leaf(values) : Var();
  };
  const Shape D{call.shape.dim(-1)};
  const Var x = make(true, call.shape, call.x_dtype), weight = make(true, D, wide), bias = make(call.bias, D, wide);
  const Var residual = make(call.residual, call.shape, call.r_dtype), gate = make(call.gate, call.shape, call.x_dtype);
  const NormOptions options{.kind = call.kind,
                            .bias = bias,
                            .residual = residual,
                            .gate = gate,
                            .order = call.order,
                            .out_dtype = call.y_dtype};
  const NormResult result = fused ? norm(x, weight, options) : composition(x, weight, options);
  // Both outputs are used: loss = <dy, y> + <dr, r>.
  const Tensor dy = random(call.shape, call.y_dtype), dr = random(call.shape, call.r_dtype);
  Var loss = sum(cast(result.y, DType::F64) * cast(dy, DType::F64));
  if (call.residual) loss = loss + sum(cast(result.residual, DType::F64) * cast(dr, DType::F64));
  backward(loss);
  std::vector<Tensor> all{result.y.value(), result.residual.value()};
  for (const Var& in : {x, weight, bias, residual, gate}) all.push_back(in.defined() ? in.grad() : Tensor());
  return all;
}

void check_equal_to_composition(const Call& call) {
  const std::vector<Tensor> fused = run(call, true), parts = run(call, false);
  const bool has_bf16 = call.x_dtype == DType::BF16 || call.r_dtype == DType::BF16 || call.y_dtype == DType::BF16;
  for (size_t i = 0; i < fused.size(); ++i) {
    CAPTURE(i);
    REQUIRE(fused[i].defined() == parts[i].defined());
    if (!fused[i].defined()) continue;
    CHECK(fused[i].dtype() == parts[i].dtype());
    CHECK(relative_error(fused[i], parts[i]) <= tolerance(has_bf16 ? DType::BF16 : call.x_dtype, 100));
  }
}

TEST_CASE("norm equals its unfused parts in value and every gradient") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32})
      for (const NormKind kind : kKinds)
        for (const GateOrder order : kOrders)
          for (int parts = 0; parts < 8; ++parts) {
            const Call call{.kind = kind,
                            .order = order,
                            .bias = (parts & 1) != 0,
                            .residual = (parts & 2) != 0,
                            .gate = (parts & 4) != 0,
                            .x_dtype = dtype,
                            .r_dtype = dtype,
                            .y_dtype = dtype,
                            .device = device};
            if (call.residual && call.gate && order == GateOrder::kBeforeNorm) continue;
            CAPTURE(parts);
            check_equal_to_composition(call);
          }
}

TEST_CASE("norm: every mixture of F32 and BF16") {
  for (const Device device : test_devices())
    for (int mixture = 0; mixture < 8; ++mixture) {
      CAPTURE(mixture);
      const auto dtype = [&](int bit) { return mixture >> bit & 1 ? DType::BF16 : DType::F32; };
      Call call{
          .kind = NormKind::kLayer, .x_dtype = dtype(0), .r_dtype = dtype(1), .y_dtype = dtype(2), .device = device};
      call.bias = call.residual = call.gate = true;
      check_equal_to_composition(call);
    }
}

TEST_CASE("norm: rows of any width, few and many") {
  for (const Device device : test_devices())
    for (const Shape& shape : {Shape{1}, {2, 1}, {1, 3}, {3, 4}, {70, 15}, {33, 129}, {2, 515}, {3, 2050}, {1500, 6}}) {
      CAPTURE(to_string(shape));
      check_equal_to_composition({.kind = NormKind::kLayer,
                                  .bias = true,
                                  .x_dtype = DType::F32,
                                  .r_dtype = DType::F32,
                                  .y_dtype = DType::F32,
                                  .shape = shape,
                                  .device = device});
    }
}

TEST_CASE("norm: strided rows, and gradients that land in a split's buffer") {
  for (const Device device : test_devices()) {
    const Tensor wide = random_tensor({2, 6, 20}, 1, DType::F32, device);
    const Var source = leaf(wide), weight = leaf(random_tensor({8}, 2, DType::F32, device));
    const Tensor dy = random_tensor({2, 6, 12}, 3, DType::F32, device).narrow(2, 2, 8);
    const std::vector<Var> parts = split(source, {8, 4, 8}, 2);
    backward(norm(parts[0], weight, {.gate = parts[2]}).y, {.seed = dy});
    const Var x = leaf(contiguous(wide.narrow(2, 0, 8))), gate = leaf(contiguous(wide.narrow(2, 12, 8)));
    const Var w = leaf(weight.value());
    backward(norm(x, w, {.gate = gate}).y, {.seed = contiguous(dy)});
    CHECK(same_bits(source.grad().narrow(2, 0, 8), x.grad()));
    CHECK(same_bits(source.grad().narrow(2, 8, 4), zeros({2, 6, 4}, DType::F32)));
    CHECK(same_bits(source.grad().narrow(2, 12, 8), gate.grad()));
    CHECK(same_bits(weight.grad(), w.grad()));
    // Leading axes that do not merge.
    const Tensor gaps = wide.narrow(1, 0, 3).narrow(2, 0, 8);
    CHECK(same_bits(norm(gaps, w).y.value(), norm(contiguous(gaps), w).y.value()));
  }
}

TEST_CASE("norm: either output may be unused, and the sum's gradient reaches both terms") {
  for (const Device device : test_devices())
    for (const DType r_dtype : {DType::F32, DType::BF16}) {
      const auto make = [&](uint64_t seed, DType dtype) { return leaf(random_tensor({4, 8}, seed, dtype, device)); };
      const Tensor d = random_tensor({4, 8}, 9, r_dtype, device);
      Var x = make(1, DType::F32), residual = make(2, r_dtype), weight = leaf(full({8}, 1, DType::F32, device));
      backward(norm(x, weight, {.residual = residual}).residual, {.seed = d});
      CHECK(same_bits(x.grad(), cast(d, DType::F32)));
      CHECK(same_bits(residual.grad(), d));
      CHECK(!weight.grad().defined());
      // x is used again after the norm: what is added to its gradient must not reach the residual's.
      const auto gradient_of_residual = [&](bool again) {
        x = make(1, DType::F32), residual = make(2, DType::F32);
        const Var doubled = affine(x, 2), y = norm(doubled, weight, {.residual = affine(residual, 1)}).y;
        backward(sum(again ? y + doubled : y));
        return residual.grad();
      };
      CHECK(same_bits(gradient_of_residual(true), gradient_of_residual(false)));
    }
}

TEST_CASE("norm: a large mean does not spoil the variance") {
  for (const Device device : test_devices()) {
    const Tensor x = random_tensor({5, 200}, 1, DType::F32);
    const Tensor shifted = add(x, full({}, 4096, DType::F32)).value();
    const Tensor weight = full({200}, 1, DType::F64);
    const Tensor exact = norm(cast(shifted, DType::F64), weight, {.kind = NormKind::kLayer}).y.value();
    const Tensor y =
        norm(to(shifted, device), to(cast(weight, DType::F32), device), {.kind = NormKind::kLayer}).y.value();
    // The mean itself is rounded: 4096 eps against values of size 1.
    CHECK(relative_error(y, exact) <= 4096 * tolerance(DType::F32));
    CHECK(relative_error(norm(to(x, device), to(cast(weight, DType::F32), device)).y.value(),
                         norm(cast(x, DType::F64), weight).y.value()) <= tolerance(DType::F32, 200));
  }
}

TEST_CASE("norm: rows of any size, value and gradient, as F64 has them") {
  for (const Device device : test_devices())
    for (const NormKind kind : {NormKind::kRms, NormKind::kLayer})
      for (const double size : {1e-30, 1e-20, 5e18, 1e19, 1e20, 1e30, 1.5e38})
        for (const double eps : {1e-5, 0.}) {
          CAPTURE(size);
          const Tensor row = from_vector<double>({size, 2 * size, -size, 0.5 * size, 0, -1.75 * size}, {1, 6});
          const auto evaluate = [&](DType dtype) {
            const Var x = leaf(to(cast(cast(row, DType::F32), dtype), device)),
                      weight = leaf(full({6}, 1.5, dtype, device));
            const Var y = norm(x, weight, {.kind = kind, .eps = eps}).y;
            backward(y, {.seed = to(cast(from_vector<double>({1, -2, 3, 0.5, 1, 2}, {1, 6}), dtype), device)});
            return std::vector{y.value(), x.grad(), weight.grad()};
          };
          const std::vector<Tensor> got = evaluate(DType::F32), want = evaluate(DType::F64);
          for (size_t i : {0u, 1u, 2u}) {
            CAPTURE(i);
            // A gradient below the smallest normal number has fewer bits.
            CHECK(relative_error(got[i], want[i]) <= tolerance(DType::F32, 6) + (i == 1 && size > 1e37 ? 0.1 : 0));
          }
        }
  const Tensor x = from_vector<float>({1e20, 2e20, -1e20}, {1, 3}), one = full({3}, 1, DType::F32);
  const double layer = std::sqrt(14.), rms = std::sqrt(2.);
  CHECK(relative_error(norm(x, one, {.kind = NormKind::kLayer}).y.value(),
                       from_vector<double>({1 / layer, 4 / layer, -5 / layer}, {1, 3})) <= tolerance(DType::F32));
  CHECK(relative_error(norm(x, one).y.value(), from_vector<double>({1 / rms, 2 / rms, -1 / rms}, {1, 3})) <=
        tolerance(DType::F32));
}

TEST_CASE("norm: a row of zeros stays zero, by hand otherwise") {
  for (const Device device : test_devices()) {
    const Tensor x = from_vector<double>({0, 0, 3, 4}, {2, 2}, device),
                 weight = from_vector<double>({1, 2}, {2}, device);
    const double rms = std::sqrt(12.5 + 1e-5);
    CHECK(relative_error(norm(x, weight).y.value(), from_vector<double>({0, 0, 3 / rms, 8 / rms}, {2, 2})) <=
          tolerance(DType::F64));
    const double deviation = std::sqrt(0.25 + 1e-5);
    CHECK(relative_error(
              norm(x, weight, {.kind = NormKind::kLayer, .bias = from_vector<double>({5, 6}, {2}, device)}).y.value(),
              from_vector<double>({5, 6, 5 - 0.5 / deviation, 6 + 1 / deviation}, {2, 2})) <= tolerance(DType::F64));
  }
}

TEST_CASE("norm: the same bits twice and for any thread count") {
  const int threads = thread_count();
  for (const Device device : test_devices()) {
    std::vector<std::vector<Tensor>> results;
    for (const int count : {1, 2, 2}) {
      set_thread_count(count);
      Call call{.kind = NormKind::kLayer, .x_dtype = DType::BF16, .r_dtype = DType::F32, .y_dtype = DType::BF16};
      call.bias = call.residual = call.gate = true;
      call.shape = {700, 100};
      call.device = device;
      results.push_back(run(call, true));
    }
    for (const auto& again : results)
      for (size_t i = 0; i < again.size(); ++i) CHECK(same_bits(again[i], results[0][i]));
  }
  set_thread_count(threads);
}

TEST_CASE("norm: what it refuses") {
  const Var x = zeros({2, 4}, DType::F32), w = zeros({4}, DType::F32);
  CHECK_THROWS_WITH_AS(norm(zeros({2, 0}, DType::F32), zeros({0}, DType::F32)),
                       "norm: x must be floating [..., D] with D >= 1, got F32 [2, 0] on CPU", Error);
  CHECK_THROWS_WITH_AS(norm(x, zeros({3}, DType::F32)),
                       "norm: weight must be floating [4] on x's device, got F32 [3] on CPU; x is F32 [2, 4] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(norm(x, w, {.bias = zeros({5}, DType::F32)}),
                       "norm: bias must be floating [4] on x's device, got F32 [5] on CPU; x is F32 [2, 4] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(norm(x, w, {.residual = zeros({4}, DType::F32)}),
                       "norm: residual must have x's shape and device, got F32 [4] on CPU; x is F32 [2, 4] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(norm(x, w, {.gate = zeros({2, 4}, DType::BF16)}),
                       "norm: gate must have x's dtype, got BF16 [2, 4] on CPU; x is F32 [2, 4] on CPU", Error);
  CHECK_THROWS_WITH_AS(norm(x, w, {.residual = x, .gate = x, .order = GateOrder::kBeforeNorm}),
                       "norm: a residual and a gate before the norm exclude each other; x is F32 [2, 4] on CPU", Error);
  CHECK_THROWS_WITH_AS(norm(x, w, {.out_dtype = DType::F64}),
                       "norm: cannot mix F64 with other dtypes: x is F32 [2, 4] on CPU, out_dtype or residual is F64",
                       Error);
  CHECK_THROWS_WITH_AS(norm(x, w, {.eps = -1}), "norm: eps must not be negative, got -1", Error);
}

}  // namespace
}  // namespace matmix::testing
