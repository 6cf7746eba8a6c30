#include "ops/clip/clip.h"

#include <doctest/doctest.h>

#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

struct Clip {
  double norm, factor;
};

Clip clip(const Tensor& grad, double max_norm) {
  const Tensor norm = empty({1}, DType::F64, grad.device()), factor = empty({1}, DType::F64, grad.device());
  clip_factor(grad, max_norm, norm, factor);
  return {item<double>(norm), item<double>(factor)};
}

TEST_CASE("clip_factor: the norm of any length and alignment") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F32, DType::F64})
      for (const int64_t n : {0, 1, 7, 16385, 140001}) {
        CAPTURE(n);
        const Tensor grad = random_tensor({n + 1}, 1, dtype).narrow(0, 1, n);
        double sum = 0;
        for (const double x : to_vector<double>(grad)) sum += x * x;
        const Clip found = clip(to(random_tensor({n + 1}, 1, dtype), device).narrow(0, 1, n), 3);
        CHECK(std::abs(found.norm - std::sqrt(sum)) <= tolerance(DType::F64, static_cast<double>(n)) * std::sqrt(sum));
        CHECK(found.factor == (found.norm > 3 ? 3 / found.norm : 1));
      }
}

TEST_CASE("clip_factor: small and zero norms are left, max_norm <= 0 is no limit") {
  for (const Device device : test_devices()) {
    const Tensor grad = from_vector<float>({3, 0, -4}, {3}, device);
    for (const auto& [max_norm, factor] : {std::pair{10.0, 1.0}, {5.0, 1.0}, {1.0, 0.2}, {0.0, 1.0}, {-1.0, 1.0}}) {
      CHECK(clip(grad, max_norm).norm == 5);
      CHECK(clip(grad, max_norm).factor == factor);
    }
    CHECK(clip(zeros({5}, DType::F64, device), 1).norm == 0);
    CHECK(clip(zeros({5}, DType::F64, device), 1).factor == 1);
  }
}

TEST_CASE("clip_factor: squares of large F32 do not overflow; a norm that is not finite makes the factor NaN") {
  for (const Device device : test_devices()) {
    CHECK(clip(full({4}, 1e30, DType::F32, device), 1).norm == doctest::Approx(2e30));
    for (const double bad : {static_cast<double>(INFINITY), static_cast<double>(NAN)}) {
      const Clip found = clip(from_vector<double>({1, bad}, {2}, device), 1);
      CHECK_FALSE(std::isfinite(found.norm));
      CHECK(std::isnan(found.factor));
    }
  }
}

TEST_CASE("clip_factor: the same bits twice and for any thread count") {
  const int threads = thread_count();
  for (const Device device : test_devices()) {
    const Tensor grad = random_tensor({100003}, 2, DType::F32, device);
    std::vector<double> norms;
    for (const int count : {1, 2, 2}) {
      set_thread_count(count);
      norms.push_back(clip(grad, 1).norm);
    }
    set_thread_count(threads);
    CHECK(norms == std::vector<double>(3, norms[0]));
  }
}

TEST_CASE("clip_factor: what it refuses") {
  const Tensor grad = zeros({4}, DType::F32), one = zeros({1}, DType::F64);
  CHECK_THROWS_WITH_AS(clip_factor(cast(grad, DType::BF16), 1, one, one),
                       "clip_factor: grad must be contiguous F32 or F64 [n], got BF16 [4] on CPU", Error);
  CHECK_THROWS_WITH_AS(clip_factor(grad.reshape({2, 2}), 1, one, one),
                       "clip_factor: grad must be contiguous F32 or F64 [n], got F32 [2, 2] on CPU", Error);
  CHECK_THROWS_WITH_AS(clip_factor(grad, NAN, one, one), "clip_factor: max_norm must be a number, got nan", Error);
  CHECK_THROWS_WITH_AS(clip_factor(grad, 1, grad, one),
                       "clip_factor: norm and factor must be F64 [1] on CPU, got F32 [4] on CPU", Error);
}

}  // namespace
}  // namespace matmix::testing
