#include "ops/dropout/dropout.h"

#include <doctest/doctest.h>

#include "autograd/backward.h"
#include "autograd/node.h"
#include "ops/layout/layout.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

Tensor step_of(int64_t step, Device device = kCpu) { return full({1}, static_cast<double>(step), DType::I64, device); }

TEST_CASE("dropout: element i of the mask is random word i, on every device and in every dtype") {
  constexpr double kP = 0.3;
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      for (const int64_t n : {1, 2, 3, 4, 5, 4095, 4096, 10001}) {
        const Tensor y = dropout(full({n}, 1, dtype, device), kP, 7, 8, step_of(9, device)).value();
        const double kept = to_vector<double>(cast(full({1}, 1 / (1 - kP), DType::F64), dtype))[0];
        const auto got = to_vector<double>(y);
        int64_t wrong = 0;
        for (int64_t i = 0; i < n; ++i) {
          const bool keep = to_uniform(random_bits({7, 8, 9}, static_cast<uint64_t>(i))) >= kP;
          wrong += got[static_cast<size_t>(i)] != (keep ? kept : 0);
        }
        CHECK(wrong == 0);
      }
}

TEST_CASE("dropout: the gradient has the same mask, and so does a view of the same values") {
  for (const Device device : test_devices()) {
    const Tensor values = random_tensor({6, 5}, 1, DType::F32, device), ones = full({6, 5}, 1, DType::F32, device);
    const Var x = leaf(contiguous(values.transpose(0, 1)).transpose(0, 1));
    const Var y = dropout(x, 0.5, 1, 2, step_of(3, device));
    CHECK(same_bits(y.value(), dropout(values, 0.5, 1, 2, step_of(3, device)).value()));
    backward(y, {.seed = ones});
    CHECK(same_bits(x.grad(), dropout(ones, 0.5, 1, 2, step_of(3, device)).value()));
  }
}

TEST_CASE("dropout: step, stream and seed each draw another mask; p is the part that goes") {
  const Tensor ones = full({20000}, 1, DType::F32);
  const auto mask = [&](uint64_t seed, uint64_t stream, int64_t step) {
    return dropout(ones, 0.25, seed, stream, step_of(step)).value();
  };
  CHECK(same_bits(mask(1, 2, 3), mask(1, 2, 3)));
  CHECK_FALSE(same_bits(mask(1, 2, 3), mask(4, 2, 3)));
  CHECK_FALSE(same_bits(mask(1, 2, 3), mask(1, 4, 3)));
  CHECK_FALSE(same_bits(mask(1, 2, 3), mask(1, 2, 4)));
  double kept = 0;
  for (const double y : to_vector<double>(mask(1, 2, 3))) kept += y != 0;
  CHECK(kept / 20000 == doctest::Approx(0.75).epsilon(0.02));  // four standard deviations
}

TEST_CASE("dropout: p = 0 is x itself; no elements are no elements") {
  const Var x = random_tensor({3}, 1);
  CHECK(dropout(x, 0, 1, 2, step_of(3)).value().same_view_as(x.value()));
  for (const Device device : test_devices())
    CHECK(dropout(empty({0, 2}, DType::F32, device), 0.5, 1, 2, step_of(0, device)).shape() == Shape{0, 2});
}

TEST_CASE("dropout: the same bits for one thread and two") {
  const Tensor x = random_tensor({100000}, 1, DType::F32);
  const int before = thread_count();
  set_thread_count(1);
  const Tensor one = dropout(x, 0.1, 1, 2, step_of(3)).value();
  set_thread_count(2);
  CHECK(same_bits(dropout(x, 0.1, 1, 2, step_of(3)).value(), one));
  set_thread_count(before);
}

TEST_CASE("dropout: what is refused, also a step that moved on before backward") {
  const Tensor x = random_tensor({3}, 1), step = step_of(3);
  CHECK_THROWS_WITH_AS(dropout(x, 1, 1, 2, step), "dropout: p must be in [0, 1), got 1", Error);
  CHECK_THROWS_WITH_AS(dropout(x, 0.5, 1, 2, arange(2, DType::I64)),
                       "dropout: step must be I64 [1] on x's device, got I64 [2] on CPU; x is F64 [3] on CPU", Error);
  CHECK_THROWS_WITH_AS(dropout(arange(2, DType::I64), 0.5, 1, 2, step),
                       "dropout: x must be a floating tensor, got I64 [2] on CPU", Error);
  const Var y = dropout(leaf(x), 0.5, 1, 2, step);
  fill(step, 4);
  CHECK_THROWS_WITH_AS(backward(y, {.seed = x}),
                       "backward of dropout: 'step' (I64 [1] on CPU) was changed in place after it was kept for "
                       "backward: version must be 1, got 2",
                       Error);
}

}  // namespace
}  // namespace matmix::testing
