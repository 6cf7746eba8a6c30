#include "ops/conv1d/conv1d.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/reduce/reduce.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

/// The definition, by loops over one run at a time.
Tensor by_loops(const Tensor& x, const Tensor& weight, const Tensor& bias, bool causal, const Runs& runs) {
  const int64_t L = x.dim(1), C = x.dim(2), width = weight.dim(1), left = causal ? width - 1 : (width - 1) / 2;
  const auto in = to_vector<double>(x), w = to_vector<double>(weight), shift = to_vector<double>(bias);
  std::vector<double> y(in.size());
  for (const Run& r : runs.all())
    for (int64_t i = 0; i < r.length; ++i)
      for (int64_t c = 0; c < C; ++c) {
        double u = shift[static_cast<size_t>(c)];
        for (int64_t k = 0; k < width; ++k) {
          const int64_t j = i + k - left;
          if (j >= 0 && j < r.length)
            u += w[static_cast<size_t>(c * width + k)] * in[static_cast<size_t>((r.row * L + r.start + j) * C + c)];
        }
        y[static_cast<size_t>((r.row * L + r.start + i) * C + c)] = u;
      }
  return from_vector(y, x.shape());
}

}  // namespace

TEST_CASE("conv1d is its definition: widths, sides, runs, strides, dtypes") {
  const Tensor x = random_tensor({2, 19, 133}, 1);
  for (const Device device : test_devices())
    for (const auto& [width, causal] : {std::pair{1, false}, {3, false}, {7, false}, {4, true}, {21, false}})
      for (const Runs& runs :
           {Runs::full(2, 19), Runs::of(2, 19, {{0, 0, 5}, {0, 5, 9}, {1, 3, 16}}), Runs::of_lengths(19, {0, 1})})
        for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
          const Tensor weight = random_tensor({133, width}, 2), bias = random_tensor({133}, 3);
          const Tensor wide = random_tensor({2, 19, 150}, 4, dtype, device);
          const Tensor view = wide.narrow(2, 9, 133);
          copy(view, cast(x, dtype));
          const DType master = accumulator(dtype);
          const Var y = conv1d(view, to(cast(weight, master), device),
                               {.bias = to(cast(bias, master), device), .causal = causal, .runs = runs});
          CHECK(relative_error(y.value(), by_loops(cast(x, dtype), weight, bias, causal, runs)) <
                tolerance(dtype, width));
        }
}

TEST_CASE("conv1d of rows longer than a piece, in value and gradients, whatever borders of pieces cut") {
  constexpr int64_t kLong = 300, C = 3, kWidth = 5;
  static_assert(kLong > 256);
  const Runs runs = Runs::of(2, kLong, {{0, 0, 299}, {1, 3, 240}, {1, 243, 50}});
  const Tensor x = random_tensor({2, kLong, C}, 1), w = random_tensor({C, kWidth}, 2), b = random_tensor({C}, 3);
  for (const Device device : test_devices())
    for (const bool causal : {false, true}) {
      const Var in = leaf(to(x, device)), taps = leaf(to(w, device)), bias = leaf(to(b, device));
      const Var y = conv1d(in, taps, {.bias = bias, .causal = causal, .runs = runs});
      CHECK(relative_error(y.value(), by_loops(x, w, b, causal, runs)) <= tolerance(DType::F64, kWidth));
      // The sum of dy y is linear in x and in the taps: each gradient is the result for a unit.
      const Tensor dy = random_tensor({2, kLong, C}, 4);
      backward(y, {.seed = to(dy, device)});
      const auto dot = [&](const Tensor& r) {
        const auto a = to_vector<double>(r), d = to_vector<double>(dy);
        double total = 0;
        for (size_t i = 0; i < a.size(); ++i) total += a[i] * d[i];
        return total;
      };
      std::vector<double> want;
      const Tensor none = zeros({C}, DType::F64);
      for (int64_t i = 0; i < w.numel(); ++i) {
        const Tensor unit = zeros(w.shape(), DType::F64);
        unit.data<double>()[i] = 1;
        want.push_back(dot(by_loops(x, unit, none, causal, runs)));
      }
      CHECK(relative_error(taps.grad(), from_vector(want, w.shape())) <= tolerance(DType::F64, 600));
      const auto dx = to_vector<double>(in.grad());
      for (const int64_t i : {0, 254, 255, 256, 257, 298, 303, 508, 511, 512, 513, 542, 543, 592}) {
        const Tensor unit = zeros(x.shape(), DType::F64);
        unit.data<double>()[i * C + 1] = 1;
        CHECK(dx[static_cast<size_t>(i * C + 1)] ==
              doctest::Approx(dot(by_loops(unit, w, none, causal, runs))).epsilon(1e-13));
      }
    }
}

TEST_CASE("conv1d with an activation is the composition of its parts, in value and gradients") {
  for (const Device device : test_devices())
    for (const Activation act : {Activation::kSilu, Activation::kRelu, Activation::kGelu}) {
      const Tensor x = random_tensor({2, 11, 6}, 1, DType::F64, device);
      const Tensor dy = random_tensor({2, 11, 6}, 5, DType::F64, device);
      const auto run = [&](bool fused) {
        const Var in = leaf(x), w = leaf(random_tensor({6, 3}, 2, DType::F64, device)),
                  b = leaf(random_tensor({6}, 3, DType::F64, device));
        Var y;
        if (fused) {
          y = conv1d(in, w, {.bias = b, .act = act, .act_channels = 4});
        } else {
          const std::vector<Var> parts = split(conv1d(in, w, {.bias = b}), {4, 2}, -1);
          y = concat({activate(parts[0], act), parts[1]}, -1);
        }
        backward(y, {.seed = dy});
        return std::vector{y.value(), in.grad(), w.grad(), b.grad()};
      };
      const auto fused = run(true), plain = run(false);
      for (size_t i = 0; i < fused.size(); ++i) CHECK(relative_error(fused[i], plain[i]) < 1e-13);
    }
}

TEST_CASE("padding receives and gives exactly nothing") {
  for (const Device device : test_devices()) {
    const Runs runs = Runs::of(1, 8, {{0, 2, 3}});
    const Tensor w = random_tensor({5, 3}, 2, DType::F64, device);
    const auto run = [&](double pad) {
      const Tensor x = full({1, 8, 5}, pad, DType::F64, device);
      copy(x.narrow(1, 2, 3), random_tensor({1, 3, 5}, 1, DType::F64, device));
      const Var in = leaf(x), weight = leaf(w);
      const Var y = conv1d(in, weight, {.act = Activation::kSilu, .runs = runs});
      backward(sum(y));
      return std::vector{y.value(), in.grad(), weight.grad()};
    };
    const auto clean = run(0), dirty = run(NAN);
    for (size_t i = 0; i < clean.size(); ++i) CHECK(same_bits(clean[i], dirty[i]));
    for (const size_t i : {0, 1}) {
      CHECK(same_bits(clean[i].narrow(1, 0, 2), zeros({1, 2, 5}, DType::F64)));
      CHECK(same_bits(clean[i].narrow(1, 5, 3), zeros({1, 3, 5}, DType::F64)));
    }
  }
}

TEST_CASE("a packed batch equals its sequences apart, in value and gradients") {
  for (const Device device : test_devices())
    for (const bool causal : {false, true})
      for (const int64_t width : {3, 7, 9}) {
        const std::vector<Run> runs{{0, 1, 6}, {0, 7, 1}, {1, 0, 11}, {1, 12, 2}};
        const Tensor x = random_tensor({2, 14, 5}, 1, DType::F64, device),
                     dy = random_tensor({2, 14, 5}, 2, DType::F64, device);
        const Tensor w = random_tensor({5, width}, 3, DType::F64, device),
                     b = random_tensor({5}, 4, DType::F64, device);
        const Var all = leaf(x), w_all = leaf(w), b_all = leaf(b);
        const Conv1dOptions options{.act = Activation::kSilu, .causal = causal};
        Conv1dOptions packed = options;
        packed.bias = b_all;
        packed.runs = Runs::of(2, 14, runs);
        const Var y = conv1d(all, w_all, packed);
        backward(y, {.seed = dy});
        const Var w_each = leaf(w), b_each = leaf(b);
        for (const Run& r : runs) {
          const auto part = [&](const Tensor& t) { return t.narrow(0, r.row, 1).narrow(1, r.start, r.length); };
          const Var one = leaf(contiguous(part(x)));
          Conv1dOptions apart = options;
          apart.bias = b_each;
          const Var y_one = conv1d(one, w_each, apart);
          backward(y_one, {.seed = part(dy)});
          CHECK(same_bits(part(y.value()), y_one.value()));
          CHECK(same_bits(part(all.grad()), one.grad()));
        }
        CHECK(relative_error(w_all.grad(), w_each.grad()) <= tolerance(DType::F64, 20));
        CHECK(relative_error(b_all.grad(), b_each.grad()) <= tolerance(DType::F64, 20));
      }
}

TEST_CASE("conv1d reads and writes parts of an in-projection in place") {
  for (const Device device : test_devices()) {
    const Tensor wide = random_tensor({2, 9, 14}, 1, DType::F32, device),
                 w = random_tensor({6, 3}, 2, DType::F32, device);
    const Tensor dy = random_tensor({2, 9, 8}, 3, DType::F32, device).narrow(2, 1, 6);
    const Var source = leaf(wide), x = leaf(contiguous(wide.narrow(2, 3, 6)));
    backward(conv1d(split(source, {3, 6, 5}, 2)[1], w, {.act = Activation::kSilu}), {.seed = dy});
    backward(conv1d(x, w, {.act = Activation::kSilu}), {.seed = contiguous(dy)});
    CHECK(same_bits(source.grad().narrow(2, 3, 6), x.grad()));
    CHECK(same_bits(source.grad().narrow(2, 0, 3), zeros({2, 9, 3}, DType::F32)));
    // Tokens of a longer batch: rows that do not merge.
    const Tensor gaps = wide.narrow(1, 0, 5).narrow(2, 0, 6);
    CHECK(same_bits(conv1d(gaps, w).value(), conv1d(contiguous(gaps), w).value()));
  }
}

TEST_CASE("conv1d gives the same bits twice and for any thread count") {
  for (const Device device : test_devices()) {
    const Tensor x = random_tensor({3, 700, 70}, 1, DType::F32, device),
                 w = random_tensor({70, 7}, 2, DType::F32, device);
    const auto run = [&](int threads) {
      set_thread_count(threads);
      const Var in = leaf(x), weight = leaf(w);
      const Var y = conv1d(in, weight, {.act = Activation::kSilu});
      backward(sum(square(y)));
      return std::vector{y.value(), in.grad(), weight.grad()};
    };
    const auto one = run(1), two = run(2), again = run(2);
    for (size_t i = 0; i < one.size(); ++i) {
      CHECK(same_bits(one[i], two[i]));
      CHECK(same_bits(two[i], again[i]));
    }
  }
}

TEST_CASE("conv1d refuses what does not fit") {
  const Tensor x = random_tensor({2, 4, 3}, 1), w = random_tensor({3, 2}, 2);
  CHECK_THROWS_WITH_AS(conv1d(x, w), "conv1d: a centred width must be odd, got 2", Error);
  CHECK_THROWS_WITH_AS(conv1d(x, random_tensor({4, 3}, 2)),
                       "conv1d: weight must be [3, width >= 1], got F64 [4, 3] on CPU; x is F64 [2, 4, 3] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(conv1d(x, w, {.act_channels = 4, .causal = true}),
                       "conv1d: act_channels must be in [-1, 3], got 4", Error);
  CHECK_THROWS_WITH_AS(conv1d(x, w, {.causal = true, .runs = Runs::full(2, 5)}),
                       "conv1d: runs must be of 2 rows of 4 tokens; x is F64 [2, 4, 3] on CPU", Error);
}
