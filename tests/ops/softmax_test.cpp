#include "ops/softmax/softmax.h"

#include <doctest/doctest.h>

#include <limits>

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

constexpr double kInf = std::numeric_limits<double>::infinity();
using Function = Var (*)(const Var&, int);

/// exp(x) / sum exp(x), or its logarithm, by plain ops in F64.
Tensor by_definition(const Tensor& x, int axis, bool log_of_it) {
  const Var e = exp(cast(to(x, kCpu), DType::F64)), p = e / sum(e, {axis}, true);
  return (log_of_it ? log(p) : p).value();
}

TEST_CASE("softmax and its log are their definitions, along any axis, in any dtype") {
  for (const Device device : test_devices())
    for (const Shape& shape : {Shape{4, 3, 5}, Shape{2, 1, 33}, Shape{3, 1500, 2}})
      for (const int axis : {0, 1, 2, -1})
        for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
          const Tensor x = random_tensor(shape, 1, dtype, device);
          const double allowed = tolerance(dtype, 1500);
          CHECK(softmax(x, axis).dtype() == dtype);
          CHECK(relative_error(softmax(x, axis).value(), by_definition(x, axis, false)) <= allowed);
          CHECK(relative_error(log_softmax(x, axis).value(), by_definition(x, axis, true)) <= allowed);
          const Tensor same = contiguous(x.permute({2, 0, 1})).permute({1, 2, 0});
          CHECK(relative_error(softmax(same, axis).value(), softmax(x, axis).value()) <= allowed);
        }
}

TEST_CASE("softmax: a constant added to a slice changes nothing, however large the values") {
  for (const Device device : test_devices()) {
    const Tensor x = from_vector<double>({1, 2, 4, 0.5}, {1, 4}),
                 large = from_vector<double>({1e4, 10001, 10003, 9999.5}, {1, 4});
    for (const Function f : {Function(softmax), Function(log_softmax)}) {
      const Tensor want = f(x, -1).value();
      const Var far = leaf(to(cast(large, DType::F32), device)), near = leaf(to(x, device));
      CHECK(relative_error(f(far, -1).value(), want) <= tolerance(DType::F32));
      const Tensor seed = to(from_vector<double>({1, 0, -1, 3}, {1, 4}), device);
      backward(f(far, -1), {.seed = cast(seed, DType::F32)});
      backward(f(near, -1), {.seed = seed});
      CHECK(relative_error(far.grad(), near.grad()) <= tolerance(DType::F32));
    }
  }
}

TEST_CASE("softmax: -infinity is probability 0, also where all of a slice is; NaN stays") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
      const Tensor values = from_vector<double>({0, -kInf, 0, -kInf, -kInf, -kInf, 1, NAN, 2}, {3, 3});
      const auto run = [&](Function f) {
        const Var x = leaf(to(cast(values, dtype), device));
        const Var y = f(x, -1);
        backward(y, {.seed = full({3, 3}, 1, dtype, device)});
        return std::pair(to_vector<double>(y.value()), to_vector<double>(x.grad()));
      };
      const auto [p, dp] = run(softmax);
      const auto [log_p, dlog_p] = run(log_softmax);
      const double half = dtype == DType::F64 ? std::log(0.5) : static_cast<float>(std::log(0.5f));
      for (int i = 0; i < 6; ++i) {
        CHECK(p[i] == (i == 0 || i == 2 ? 0.5 : 0));
        CHECK(dp[i] == 0);
        CHECK((i == 0 || i == 2 ? log_p[i] == doctest::Approx(half).epsilon(tolerance(dtype)) : log_p[i] == -kInf));
        CHECK(dlog_p[i] == doctest::Approx(i == 0 || i == 2 ? -0.5 : 1).epsilon(tolerance(dtype)));
      }
      for (int i = 6; i < 9; ++i) CHECK((std::isnan(p[i]) && std::isnan(log_p[i])));
    }
}

TEST_CASE("softmax: the same bits for one thread and two") {
  const Tensor x = random_tensor({200, 501}, 1, DType::F32), seed = random_tensor({200, 501}, 2, DType::F32);
  const int before = thread_count();
  for (const Function f : {Function(softmax), Function(log_softmax)}) {
    const auto run = [&](int threads) {
      set_thread_count(threads);
      const Var v = leaf(x);
      const Var y = f(v, -1);
      backward(y, {.seed = seed});
      return std::pair(y.value(), v.grad());
    };
    const auto one = run(1), two = run(2);
    CHECK(same_bits(one.first, two.first));
    CHECK(same_bits(one.second, two.second));
  }
  set_thread_count(before);
}

TEST_CASE("softmax: what is refused") {
  CHECK_THROWS_WITH_AS(softmax(random_tensor({2, 3}, 1), 2), "softmax: axis must be in [-2, 2), got 2", Error);
  CHECK_THROWS_WITH_AS(log_softmax(random_tensor({}, 1)),
                       "log_softmax: x must be a floating tensor of at least one axis, got F64 [] on CPU", Error);
  CHECK_THROWS_WITH_AS(softmax(arange(3, DType::I64)),
                       "softmax: x must be a floating tensor of at least one axis, got I64 [3] on CPU", Error);
}

}  // namespace
}  // namespace matmix::testing
