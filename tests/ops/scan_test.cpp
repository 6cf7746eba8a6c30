#include "ops/scan/scan.h"

#include <doctest/doctest.h>

#include <limits>

#include "autograd/backward.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/indices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

const CumsumOptions kOptions[] = {{}, {.reverse = true}, {.exclusive = true}, {.reverse = true, .exclusive = true}};

Tensor cumsum_by_definition(const Tensor& x, int axis, const CumsumOptions& options) {
  const Tensor y = zeros(x.shape(), DType::F64);
  Shape starts = x.shape();
  starts[axis] = 1;
  for_each_index(starts, [&](Shape i) {
    double sum = 0;
    for (int64_t k = 0; k < x.dim(axis); ++k) {
      i[axis] = options.reverse ? x.dim(axis) - 1 - k : k;
      const double before = sum;
      sum += element<double>(x, i);
      element<double>(y, i) = options.exclusive ? before : sum;
    }
  });
  return y;
}

/// s_ij of one row x [L], each entry added up by itself.
double segsum_entry(const Tensor& x, int64_t i, int64_t j, bool reverse) {
  if (reverse ? i > j : i < j) return -kInf;
  double sum = 0;
  for (int64_t k = reverse ? i : j + 1; k < (reverse ? j : i + 1); ++k) sum += element<double>(x, {k});
  return sum;
}

TEST_CASE("cumsum: its definition along every axis, both directions, with and without the element itself") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      for (const Shape& shape : {Shape{2, 3, 4}, Shape{1, 70, 1}, Shape{3, 1, 600}, Shape{2, 100, 3}})
        for (int axis = 0; axis < 3; ++axis)
          for (const CumsumOptions& options : kOptions) {
            const Tensor x = cast(random_tensor(shape, 1), dtype), there = to(x, device);
            const Tensor want = cumsum_by_definition(cast(x, DType::F64), axis, options);
            const Var y = cumsum(there, axis, options);
            CHECK(y.dtype() == dtype);
            CHECK(relative_error(y.value(), want) <= tolerance(dtype));
            const Tensor other = contiguous(there.transpose(0, 2)).transpose(0, 2);
            CHECK(same_bits(cumsum(other, axis, options).value(), y.value()));
          }
}

TEST_CASE("cumsum: sums run in double for every dtype") {
  for (const Device device : test_devices())
    for (const int axis : {0, 1}) {
      const Tensor ones = full(axis == 0 ? Shape{3000, 2} : Shape{2, 3000}, 1, DType::BF16, device);
      CHECK(to_vector<double>(cumsum(ones, axis).value()).back() == 3008);  // 3000 to eight bits
      const Tensor x = to(from_vector<float>({1e8f, 1, 1, -1e8f}, axis == 0 ? Shape{4, 1} : Shape{1, 4}), device);
      CHECK(to_vector<double>(cumsum(x, axis).value()).back() == 2);
    }
}

TEST_CASE("segsum: every entry is its own sum, minus infinity outside") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      for (const int64_t L : {1, 2, 7, 33, 530})
        for (const bool reverse : {false, true}) {
          const Tensor x = cast(random_tensor({2, L}, 1), dtype), exact = cast(x, DType::F64);
          const Var y = segsum(to(x, device), reverse);
          REQUIRE(y.shape() == Shape{2, L, L});
          const Tensor got = cast(to(y.value(), kCpu), DType::F64);
          double worst = 0;
          bool outside = true;
          for (int64_t b = 0; b < 2; ++b)
            for (int64_t i = 0; i < L; ++i)
              for (int64_t j = L > 100 ? i % 50 : 0; j<L; j += L> 100 ? 50 : 1) {
                const double want = segsum_entry(exact.select(0, b), i, j, reverse),
                             have = element<double>(got, {b, i, j});
                if (want == -kInf)
                  outside &= have == -kInf;
                else
                  worst = std::max(worst, std::fabs(have - want) / std::max(1.0, std::fabs(want)));
              }
          CHECK(outside);
          CHECK(worst <= tolerance(dtype, static_cast<double>(L)));
        }
}

TEST_CASE("segsum: no difference of long prefix sums") {
  for (const Device device : test_devices()) {
    const Tensor x = to(from_vector<float>({1e9f, 1e-3f, 2e-3f}), device);
    const auto s = to_vector<float>(segsum(x).value());
    CHECK(s[2 * 3 + 0] == doctest::Approx(3e-3));
    CHECK(s[2 * 3 + 1] == doctest::Approx(2e-3));
    const auto mirrored = to_vector<float>(segsum(to(from_vector<float>({1e-3f, 2e-3f, 1e9f}), device), true).value());
    CHECK(mirrored[0 * 3 + 2] == doctest::Approx(3e-3));
  }
}

TEST_CASE("segsum: the gradient counts the entries that contain an element, and nothing outside the triangle") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      for (const bool reverse : {false, true})
        for (const int64_t L : {1, 2, 5, 40}) {
          const Tensor dy = cast(random_tensor({L, L}, 2), dtype), exact = cast(dy, DType::F64);
          const Tensor want = zeros({L}, DType::F64);
          for (int64_t k = 0; k < L; ++k)
            for (int64_t a = k; a < L; ++a)
              for (int64_t b = 0; b < k; ++b) {  // forward: k in (j, i]; reverse: k in [i, j)
                if (!reverse)
                  element<double>(want, {k}) += element<double>(exact, {a, b});
                else
                  element<double>(want, {L - 1 - k}) += element<double>(exact, {L - 1 - a, L - 1 - b});
              }
          const Tensor upstream = clone(dy);
          if (dtype == DType::F64)
            for_each_index({L, L}, [&](const Shape& i) {
              if (reverse ? i[0] > i[1] : i[0] < i[1]) element<double>(upstream, i) = NAN;
            });
          const Var x = leaf(random_tensor({L}, 1, dtype, device));
          backward(segsum(x, reverse), {.seed = to(upstream, device)});
          CHECK(relative_error(x.grad(), want) <= tolerance(dtype, static_cast<double>(L * L)));
        }
}

TEST_CASE("segsum: an element is in as many entries as rows from it on times columns before it") {
  constexpr int64_t L = 600;
  for (const Device device : test_devices())
    for (const bool reverse : {false, true}) {
      const Var x = leaf(zeros({L}, DType::F32, device));
      backward(segsum(x, reverse), {.seed = full({L, L}, 1, DType::F32, device)});
      const auto counts = to_vector<int64_t>(x.grad());
      for (int64_t k = 0; k < L; ++k) CHECK(counts[static_cast<size_t>(reverse ? L - 1 - k : k)] == (L - k) * k);
    }
}

TEST_CASE("scan: the same bits for one thread and two") {
  const Tensor x = random_tensor({3, 300}, 1, DType::F32);
  const int before = thread_count();
  const auto run = [&](int threads) {
    set_thread_count(threads);
    const Var a = leaf(x), b = leaf(x);
    const Var y = segsum(a), z = cumsum(b, 0);
    backward(y, {.seed = random_tensor({3, 300, 300}, 2, DType::F32)});
    backward(z, {.seed = x});
    return std::vector{y.value(), z.value(), a.grad(), b.grad()};
  };
  const auto one = run(1), two = run(2);
  set_thread_count(before);
  for (size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], two[i]));
}

TEST_CASE("scan: nothing to scan") {
  for (const Device device : test_devices()) {
    const Var x = leaf(empty({2, 0}, DType::F32, device));
    backward(segsum(x), {.seed = empty({2, 0, 0}, DType::F32, device)});
    CHECK(x.grad().shape() == Shape{2, 0});
    CHECK(segsum(empty({0, 3}, DType::F32, device)).shape() == Shape{0, 3, 3});
    CHECK(cumsum(x, 1).shape() == Shape{2, 0});
    CHECK(cumsum(x, 0).shape() == Shape{2, 0});
  }
}

TEST_CASE("scan: what is refused") {
  CHECK_THROWS_WITH_AS(cumsum(random_tensor({2}, 1), 1), "cumsum: axis must be in [-1, 1), got 1", Error);
  CHECK_THROWS_WITH_AS(cumsum(arange(2, DType::I64), 0), "cumsum: x must be a floating tensor, got I64 [2] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(segsum(random_tensor({}, 1)), "segsum: x must have an axis to sum over, got F64 [] on CPU",
                       Error);
}

}  // namespace
}  // namespace matmix::testing
