#include "ops/fft/fft.h"

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "autograd/backward.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

/// Powers of two, odd lengths, primes, and one whose convolution is long.
constexpr int64_t kLengths[] = {1, 2, 3, 4, 5, 7, 8, 12, 16, 31, 32, 64, 100, 128, 257, 1024};

std::complex<double> turn(int64_t k, int64_t n) {
  return std::polar(1.0, 2 * std::numbers::pi * static_cast<double>(k % n) / static_cast<double>(n));
}

/// The definition, for x [A, L, C]: [A, n / 2 + 1, 2, C].
Tensor rfft_by_definition(const Tensor& x, int64_t n) {
  const int64_t A = x.dim(0), L = x.dim(1), C = x.dim(2), K = n / 2 + 1;
  const std::vector<double> in = to_vector<double>(x);
  std::vector<double> out;
  for (int64_t a = 0; a < A; ++a)
    for (int64_t k = 0; k < K; ++k)
      for (const int part : {0, 1})
        for (int64_t c = 0; c < C; ++c) {
          std::complex<double> sum = 0;
          for (int64_t j = 0; j < L; ++j)
            sum += in[static_cast<size_t>((a * L + j) * C + c)] * std::conj(turn(j * k, n));
          out.push_back(part == 0 ? sum.real() : sum.imag());
        }
  return from_vector(out, {A, K, 2, C});
}

double terms(int64_t n) { return static_cast<double>(n); }

TEST_CASE("rfft: its definition, padded, exact and folded") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      for (const int64_t n : kLengths)
        for (const int64_t L : {n, n / 2, 2 * n + 1}) {
          if (n > 300 && L != n) continue;
          CAPTURE(n);
          CAPTURE(L);
          const Tensor x = cast(random_tensor({2, L, 3}, 1), dtype);
          const Var X = rfft(to(x, device), 1, n);
          CHECK(X.dtype() == accumulator(dtype));
          CHECK(relative_error(X.value(), rfft_by_definition(cast(x, DType::F64), n)) <=
                tolerance(X.dtype(), terms(n)));
        }
}

TEST_CASE("rfft: any axis, any number of columns") {
  for (const Device device : test_devices())
    for (const int64_t C : {1, 2, 7, 8, 9, 15, 16, 17, 40}) {
      const Tensor x = random_tensor({2, 10, C}, 1), want = rfft_by_definition(x, 10);
      CHECK(relative_error(rfft(to(x, device), 1).value(), want) <= tolerance(DType::F64, 10));
      const Var last = rfft(to(contiguous(x.transpose(1, 2)), device), -1);  // [2, C, 6, 2]
      CHECK(relative_error(last.value().permute({0, 2, 3, 1}), want) <= tolerance(DType::F64, 10));
      const Var first = rfft(to(contiguous(x.transpose(0, 1)), device), 0);  // [6, 2, 2, C]
      CHECK(relative_error(first.value().permute({2, 0, 1, 3}), want) <= tolerance(DType::F64, 10));
    }
}

TEST_CASE("irfft: the inverse of rfft, blind to parts that have no effect") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32})
      for (const int64_t n : kLengths) {
        CAPTURE(n);
        const Tensor x = random_tensor({2, n, 5}, 1, dtype, device), X = rfft(x, 1).value();
        CHECK(relative_error(irfft(X, 1, n).value(), x) <= tolerance(dtype, terms(n)));
        const Tensor other = clone(X);
        fill(other.select(1, 0).select(1, 1), 5);
        if (n % 2 == 0) fill(other.select(1, n / 2).select(1, 1), -3);
        CHECK(relative_error(irfft(other, 1, n).value(), x) <= tolerance(dtype, terms(n)));
      }
}

TEST_CASE("cosine_transform: its definition for lengths below, at and above its period") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      for (const int64_t n : {1, 2, 3, 8, 13, 64})
        for (const int64_t L : {1, 5, 8, 13, 30, 64}) {
          CAPTURE(n);
          CAPTURE(L);
          const Tensor x = cast(random_tensor({L, 3}, 1), dtype);
          const std::vector<double> in = to_vector<double>(x);
          std::vector<double> want;
          for (int64_t i = 0; i < L; ++i)
            for (int64_t c = 0; c < 3; ++c) {
              double sum = 0;
              for (int64_t j = 0; j < L; ++j) sum += turn(i * j, n).real() * in[static_cast<size_t>(j * 3 + c)];
              want.push_back(sum);
            }
          CHECK(relative_error(cosine_transform(to(x, device), 0, n).value(), from_vector(want, {L, 3})) <=
                tolerance(dtype, terms(n + L)));
        }
}

TEST_CASE("rfft: a pure tone is one line, to rounding, at any length") {
  for (const Device device : test_devices())
    for (const int64_t n : {4096, 5000, 65536, 100003}) {
      std::vector<double> tone;
      for (int64_t j = 0; j < n; ++j) tone.push_back(turn(3 * j, n).real());
      const Tensor X = rfft(to(from_vector(tone), device), 0).value();
      const Tensor want = zeros({n / 2 + 1, 2}, DType::F64);
      fill(want.narrow(0, 3, 1).narrow(1, 0, 1), static_cast<double>(n) / 2);
      CHECK(relative_error(X, want) <= tolerance(DType::F64, terms(n)));
    }
}

TEST_CASE("fft: the same bits for one thread and two") {
  const Tensor x = random_tensor({4, 300, 50}, 1, DType::F32);
  const int before = thread_count();
  const auto run = [&](int threads) {
    set_thread_count(threads);
    const Var X = rfft(x, 1, 512);
    return std::vector{X.value(), irfft(X, 1, 512).value(), cosine_transform(x, 1, 300).value()};
  };
  const auto one = run(1), two = run(2);
  set_thread_count(before);
  for (size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], two[i]));
}

TEST_CASE("fft: nothing to transform") {
  for (const Device device : test_devices()) {
    CHECK(rfft(empty({0, 4}, DType::F32, device), 1).shape() == Shape{0, 3, 2});
    CHECK(rfft(empty({3, 4, 0}, DType::F32, device), 1).shape() == Shape{3, 3, 2, 0});
    CHECK(to_vector<double>(rfft(empty({1, 0}, DType::F32, device), 1, 2).value()) == std::vector<double>(4, 0.0));
    CHECK(cosine_transform(empty({2, 0}, DType::F32, device), 1, 5).shape() == Shape{2, 0});
  }
}

TEST_CASE("fft: what is refused") {
  const Tensor x = random_tensor({2, 3}, 1);
  CHECK_THROWS_WITH_AS(rfft(x, 2), "rfft: axis must be in [-2, 2), got 2", Error);
  CHECK_THROWS_WITH_AS(rfft(x, 1, -1), "rfft: n must be positive, got -1; x is F64 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(rfft(arange(2, DType::I64), 0), "rfft: x must be a floating tensor, got I64 [2] on CPU", Error);
  CHECK_THROWS_WITH_AS(irfft(x, 0, 4),
                       "irfft: X must have 3 frequencies along axis 0 and 2 parts behind it, got F64 [2, 3] on CPU",
                       Error);
  CHECK_THROWS_WITH_AS(cosine_transform(x, 0, 0), "cosine_transform: n must be positive, got 0; x is F64 [2, 3] on CPU",
                       Error);
}

}  // namespace
}  // namespace matmix::testing
