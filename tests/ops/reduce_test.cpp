#include "ops/reduce/reduce.h"

#include <doctest/doctest.h>

#include <limits>
#include <map>

#include "autograd/backward.h"
#include "ops/elementwise/elementwise.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/indices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
using Reduction = Var (*)(const Var&, const std::vector<int>&, bool);

struct Named {
  std::string name;
  Reduction f;
  double (*exact)(const std::vector<double>&);
};

double exact_sum(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x;
  return sum;
}

const Named kReductions[] = {
    {"sum", sum, exact_sum},
    {"mean", mean, [](const std::vector<double>& v) { return exact_sum(v) / static_cast<double>(v.size()); }},
    {"max", max, [](const std::vector<double>& v) { return *std::ranges::max_element(v); }},
    {"logsumexp", logsumexp,
     [](const std::vector<double>& v) {
       double sum = 0;
       for (const double x : v) sum += std::exp(x);
       return std::log(sum);
     }},
};

/// The reduction by its definition, with axes kept.
Tensor reduced(const Tensor& x, const std::vector<int>& axes, double (*exact)(const std::vector<double>&)) {
  Shape shape = x.shape();
  for (const int axis : axes) shape[normalize_axis(axis, x.rank(), "test")] = 1;
  std::map<std::vector<int64_t>, std::vector<double>> groups;
  for_each_index(x.shape(), [&](const Shape& i) {
    std::vector<int64_t> to;
    for (int axis = 0; axis < x.rank(); ++axis) to.push_back(shape[axis] == 1 ? 0 : i[axis]);
    groups[to].push_back(element<double>(x, i));
  });
  const Tensor y = zeros(shape, DType::F64);
  for (const auto& [index, values] : groups) element<double>(y, Shape(index)) = exact(values);
  return y;
}

TEST_CASE("reduce: every reduction is its definition, over any axes, dtypes and strides") {
  const std::vector<int> kAxes[] = {{0}, {1}, {2}, {-1, 0}, {0, 1}, {1, 2}, {0, 1, 2}};
  for (const Device device : test_devices())
    for (const auto& [name, f, exact] : kReductions)
      for (const Shape& shape : {Shape{2, 3, 4}, Shape{3, 1, 37}, Shape{1, 300, 2}})
        for (const auto& axes : kAxes)
          for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
            CAPTURE(name);
            const Tensor x = cast(abs(random_tensor(shape, 1)).value(), dtype), there = to(x, device);
            const Tensor want = reduced(cast(x, DType::F64), axes, exact);
            const double allowed = tolerance(dtype, 300);
            const Var y = f(there, axes, true);
            CHECK(y.dtype() == dtype);
            CHECK(relative_error(y.value(), want) <= allowed);
            CHECK(same_bits(f(there, axes, false).value().reshape(want.shape()), y.value()));
            const Tensor other = contiguous(there.permute({2, 0, 1})).permute({1, 2, 0});
            CHECK(relative_error(f(other, axes, true).value(), want) <= allowed);
          }
}

TEST_CASE("reduce: no axes means all; scalars reduce to themselves") {
  for (const auto& [name, f, exact] : kReductions) {
    CAPTURE(name);
    const Tensor x = random_tensor({3, 4}, 1);
    CHECK(f(x, {}, false).shape() == Shape{});
    CHECK(same_bits(f(x, {}, false).value(), f(x, {0, 1}, false).value()));
    CHECK(f(x, {}, true).shape() == Shape{1, 1});
    CHECK(to_vector<double>(f(from_vector<double>({2.5}, {}), {}, false).value())[0] == doctest::Approx(2.5));
  }
}

TEST_CASE("reduce: nothing to sum is 0, nothing to reduce into is empty") {
  for (const Device device : test_devices()) {
    CHECK(to_vector<double>(sum(empty({2, 0}, DType::F64, device), {1}).value()) == std::vector<double>{0, 0});
    for (const auto& [name, f, exact] : kReductions) {
      const Var x = leaf(empty({0, 3}, DType::F32, device));
      const Var y = f(x, {1}, false);
      CHECK(y.shape() == Shape{0});
      backward(y, {.seed = empty({0}, DType::F32, device)});
      CHECK(x.grad().shape() == Shape{0, 3});
    }
  }
}

TEST_CASE("max: the first of equals gets the gradient; NaN wins") {
  for (const Device device : test_devices()) {
    const Var x = leaf(to(from_vector<double>({1, 3, 3, -2, -2, -5}, {2, 3}), device));
    const Var y = max(x, {1});
    backward(y, {.seed = to(from_vector<double>({7, 8}), device)});
    CHECK(to_vector<double>(y.value()) == std::vector<double>{3, -2});
    CHECK(to_vector<double>(x.grad()) == std::vector<double>{0, 7, 0, 8, 0, 0});
    for (const int64_t at : {0, 5, 99}) {
      Tensor row = clone(arange(100, DType::F32));
      row.data<float>()[at] = NAN;
      CHECK(std::isnan(to_vector<double>(max(to(row, device)).value())[0]));
    }
    CHECK(to_vector<double>(max(to(from_vector<double>({-kInf, -kInf}), device)).value())[0] == -kInf);
  }
}

TEST_CASE("logsumexp: no overflow, and infinities as they should be") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16}) {
      const Tensor x = from_vector<double>({1024, 1024, -kInf, -kInf, -kInf, 1, kInf, 0, -1024, -1024}, {5, 2});
      const Var v = leaf(to(cast(x, dtype), device));
      const Var y = logsumexp(v, {1});
      const auto values = to_vector<double>(y.value());
      CHECK(values[0] == doctest::Approx(1024 + std::log(2.0)).epsilon(tolerance(dtype)));
      CHECK(values[1] == -kInf);
      CHECK(values[2] == 1);
      CHECK(values[3] == kInf);
      CHECK(values[4] == doctest::Approx(-1024 + std::log(2.0)).epsilon(tolerance(dtype)));
      backward(y, {.seed = full({5}, 1, dtype, device)});
      const auto slopes = to_vector<double>(v.grad());
      CHECK(slopes[0] == doctest::Approx(0.5).epsilon(tolerance(dtype, 1 << 20)));
      CHECK(slopes[2] == 0);
      CHECK(slopes[3] == 0);
      CHECK(slopes[4] == 0);
      CHECK(slopes[5] == 1);
    }
}

TEST_CASE("logsumexp: its gradient is softmax, to BF16's precision also where the result is large") {
  for (const Device device : test_devices()) {
    const Var x = leaf(full({1, 64}, 100, DType::BF16, device));
    const Var y = logsumexp(x, {1});
    backward(y, {.seed = full({1}, 1, DType::BF16, device)});
    for (const double slope : to_vector<double>(x.grad())) CHECK(slope == 1.0 / 64);
  }
}

TEST_CASE("reduce: long BF16 sums are carried in F32") {
  for (const Device device : test_devices()) {
    const Tensor ones = full({4096}, 1, DType::BF16, device);
    CHECK(to_vector<double>(sum(ones).value())[0] == 4096);
    CHECK(to_vector<double>(mean(full({4096}, 0.75, DType::BF16, device)).value())[0] == 0.75);
  }
}

TEST_CASE("reduce: the same bits for one thread and two") {
  const Tensor x = random_tensor({200, 501}, 1, DType::F32);
  const int before = thread_count();
  for (const auto& [name, f, exact] : kReductions)
    for (const std::vector<int>& axes : {std::vector<int>{0}, {1}, {}}) {
      const auto run = [&, f = f](int threads) {
        set_thread_count(threads);
        const Var v = leaf(x);
        const Var y = f(v, axes, false);
        backward(y, {.seed = full(y.shape(), 1.5, DType::F32)});
        return std::pair(y.value(), v.grad());
      };
      const auto one = run(1), two = run(2);
      CHECK(same_bits(one.first, two.first));
      CHECK(same_bits(one.second, two.second));
    }
  set_thread_count(before);
}

TEST_CASE("reduce: what is refused") {
  const Tensor x = random_tensor({2, 3}, 1);
  CHECK_THROWS_WITH_AS(sum(x, {2}), "sum: axis must be in [-2, 2), got 2", Error);
  CHECK_THROWS_WITH_AS(max(x, {1, -1}), "max: axis -1 is named twice; x is F64 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(mean(arange(3, DType::I64)), "mean: x must be a floating tensor, got I64 [3] on CPU", Error);
  CHECK_THROWS_WITH_AS(sum(Var()), "sum: x must be a floating tensor, got undefined", Error);
  const Tensor none = empty({2, 0}, DType::F32);
  for (const auto& [name, f, exact] : kReductions)
    if (name != "sum")
      CHECK_THROWS_WITH_AS(f(none, {1}, false),
                           text(name, ": needs at least one element along the axes; x is F32 [2, 0] on CPU").c_str(),
                           Error);
}

}  // namespace
}  // namespace matmix::testing
