#include "ops/cauchy/cauchy.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "autograd/backward.h"
#include "ops/cauchy/zolotarev.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "tensor/compare.h"
#include "tensor/tolerance.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

namespace matmix::testing {
namespace {

struct Inputs {
  Tensor q, k, v, bias, dy;
};

/// q and k Normal(0, width), of E = 3 columns for each of 2 heads.
Inputs drawn(int64_t L, double width, DType dtype, Device device = kCpu) {
  const auto values = [&](int64_t columns, uint64_t seed, double scale) {
    const Tensor x = random_tensor({2, L, 2, columns}, seed);
    return to(cast(affine(Var(x), scale).value(), dtype), device);
  };
  return {values(3, 1, width), values(3, 2, width), values(5, 3, 1),
          to(cast(full({1}, 0.5, DType::F64), dtype), device), values(5, 4, 1)};
}

Inputs in_f64(const Inputs& x) {
  const auto wide = [](const Tensor& t) { return cast(to(t, kCpu), DType::F64); };
  return {wide(x.q), wide(x.k), wide(x.v), wide(x.bias), wide(x.dy)};
}

/// y and the gradients of q, k, v and the bias.
std::vector<Tensor> results(const Inputs& x, const CauchyOptions& options) {
  const Var q = leaf(x.q), k = leaf(x.k), v = leaf(x.v), bias = leaf(x.bias);
  const Var y = cauchy(q, k, v, bias, options);
  backward(y, {.seed = x.dy});
  return {y.value(), q.grad(), k.grad(), v.grad(), bias.grad()};
}

/// The same by the matrix written out.
std::vector<Tensor> written_out(const Inputs& x, const CauchyOptions& options) {
  const Var q = leaf(x.q), k = leaf(x.k), v = leaf(x.v), bias = leaf(x.bias);
  const Var M = cauchy_matrix(q, k, bias, options);
  const Var y = permute(matmul(M, permute(v, {0, 2, 1, 3})), {0, 2, 1, 3});
  backward(y, {.seed = x.dy});
  return {y.value(), q.grad(), k.grad(), v.grad(), bias.grad()};
}

void check_close(const std::vector<Tensor>& got, const std::vector<Tensor>& want, double tolerance) {
  for (size_t i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(got[i], want[i]) <= tolerance);
  }
}

double largest_product(double R, int64_t n) {
  const Zolotarev zolotarev(R);
  std::vector<double> nodes;
  for (int64_t j = 0; j < n; ++j) nodes.push_back(zolotarev.node(j, n));
  double largest = 0;
  for (int i = 0; i <= 2000; ++i) {
    const double x = std::exp(std::log(R) * (1 - std::cos(3.14159265358979 * i / 2000)) / 2);
    double product = 1;
    for (const double p : nodes) product *= (x - p) / (x + p);
    largest = std::max(largest, std::abs(product));
  }
  return largest;
}

TEST_CASE("zolotarev: the product is as small as promised for any range, and no smaller than the best can be") {
  for (const double R : {2., 10., 1e3, 1e8, 1e26})
    for (const double accuracy : {1e-4, 1e-7, 1e-10}) {
      CAPTURE(R);
      CAPTURE(accuracy);
      const auto n = static_cast<int64_t>(Zolotarev::terms(R, accuracy));
      const double square = std::pow(largest_product(R, n), 2);
      CHECK(square <= accuracy / 128);
      CHECK(square >= accuracy / 128 * std::exp(-9.87 * 1.5 / std::log(4 * R)));
    }
}

TEST_CASE("zolotarev: nodes grow and mirror each other about sqrt(R)") {
  const Zolotarev zolotarev(1e6);
  for (int64_t j = 0; j < 9; ++j) {
    CHECK(zolotarev.node(j, 9) * zolotarev.node(8 - j, 9) == doctest::Approx(1e6));
    if (j > 0) CHECK(zolotarev.node(j, 9) > zolotarev.node(j - 1, 9));
  }
}

TEST_CASE("cauchy: sums are as accurate as asked for, value and gradients") {
  for (const Device device : test_devices())
    for (const double width : {0.05, 1., 3.}) {
      const Inputs x = drawn(150, width, DType::F64, device);
      const std::vector<Tensor> want = written_out(in_f64(x), {.scale = 0.1});
      for (const double accuracy : {1e-3, 1e-6, 1e-10, 1e-13}) {
        CAPTURE(width);
        CAPTURE(accuracy);
        check_close(results(x, {.scale = 0.1, .accuracy = accuracy, .max_terms = 64}), want, accuracy);
      }
    }
}

TEST_CASE("cauchy: less is asked for, fewer terms are summed") {
  const Inputs x = drawn(150, 1, DType::F64);
  const std::vector<Tensor> want = written_out(x, {});
  CHECK(relative_error(results(x, {.accuracy = 0.5, .max_terms = 64})[0], want[0]) > 1e-5);
}

TEST_CASE("cauchy: in F32 sums and entries are right to rounding") {
  for (const Device device : test_devices())
    for (const double width : {0.05, 1., 3.}) {
      const Inputs x = drawn(150, width, DType::F32, device);
      const std::vector<Tensor> want = written_out(in_f64(x), {});
      CAPTURE(width);
      for (const int64_t max_terms : {64, 0})
        check_close(results(x, {.max_terms = max_terms}), want, tolerance(DType::F32, 150 * 5 * 12));
    }
}

TEST_CASE("cauchy: values of any size stay right, by the entries where the sums would be long") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F64, DType::F32}) {
      Inputs x = drawn(80, 12, dtype);
      const Tensor wild = cast(x.q, DType::F64);
      for (const auto& [place, value] : {std::pair{0, 30.}, {7, -30.}, {100, 900.}}) wild.data<double>()[place] = value;
      x.q = cast(wild, dtype);
      const std::vector<Tensor> want = written_out(in_f64(x), {});
      for (Tensor* t : {&x.q, &x.k, &x.v, &x.bias, &x.dy}) *t = to(*t, device);
      const double allowed = dtype == DType::F64 ? 1e-10 : tolerance(dtype, 80 * 5 * 12);
      for (const int64_t max_terms : {0, 64, 300})
        check_close(results(x, {.accuracy = 1e-12, .max_terms = max_terms}), want, allowed);
    }
}

TEST_CASE("cauchy: the largest values of F32 give finite results and gradients") {
  Inputs x = drawn(20, 1, DType::F32);
  x.q.data<float>()[3] = 3e38f;
  x.k.data<float>()[5] = -3e38f;
  for (const int64_t max_terms : {0, 64})
    for (const Tensor& t : results(x, {.max_terms = max_terms}))
      for (const double value : to_vector<double>(t)) CHECK(std::isfinite(value));
}

TEST_CASE("cauchy: what is not a number is not hidden") {
  Inputs x = drawn(20, 1, DType::F64);
  x.k.data<double>()[3] = std::numeric_limits<double>::quiet_NaN();
  for (const int64_t max_terms : {0, 64}) CHECK(std::isnan(results(x, {.max_terms = max_terms})[0].data<double>()[5]));
}

TEST_CASE("cauchy: sums and entries agree at the length where one becomes the other by itself") {
  for (const int64_t L : {63, 64, 65, 330, 331}) {
    const Inputs x = drawn(L, 0.5, DType::F64);
    check_close(results(x, {.accuracy = 1e-12}), results(x, {.max_terms = 0}), 1e-11);
  }
}

TEST_CASE("cauchy: the bias counts by its absolute value") {
  Inputs x = drawn(9, 1, DType::F64);
  const std::vector<Tensor> plus = results(x, {});
  x.bias = full({1}, -0.5, DType::F64);
  const std::vector<Tensor> minus = results(x, {});
  CHECK(same_bits(plus[0], minus[0]));
  CHECK(item<double>(plus[4]) == -item<double>(minus[4]));
}

TEST_CASE("cauchy: an empty row") {
  const Inputs x = drawn(0, 1, DType::F64);
  CHECK(results(x, {})[0].shape() == Shape{2, 0, 2, 5});
}

TEST_CASE("cauchy: errors") {
  const Inputs x = drawn(4, 1, DType::F64);
  CHECK_THROWS_WITH(cauchy(x.q.select(0, 0), x.k, x.v),
                    "cauchy: q must be floating [B, L, H, E] with H and E positive, got F64 [4, 2, 3] on CPU");
  CHECK_THROWS_WITH(cauchy(x.q, x.v, x.v),
                    "cauchy: k must be as q, which is F64 [2, 4, 2, 3] on CPU, got F64 [2, 4, 2, 5] on CPU");
  CHECK_THROWS_WITH(cauchy(x.q, x.k, cast(x.v, DType::F32)),
                    "cauchy: v must be [B, L, H, P] in the dtype and on the device of q, which is F64 [2, 4, 2, 3] on "
                    "CPU, got F32 [2, 4, 2, 5] on CPU");
  CHECK_THROWS_WITH(cauchy(x.q, x.k, x.v, x.bias, {.eps = -1}), "cauchy: eps must not be negative, got -1");
  CHECK_THROWS_WITH(cauchy(x.q, x.k, x.v, x.bias, {.accuracy = 1}), "cauchy: accuracy must be in [0, 1), got 1");
}

}  // namespace
}  // namespace matmix::testing
