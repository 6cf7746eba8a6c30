#include "ops/vandermonde/vandermonde.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/backward.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "ops/vandermonde/vandermonde_grid.h"
#include "tests/support/approx.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"
#include "tests/support/tolerance.h"

namespace matmix::testing {
namespace {

using Form = VandermondeForm;

struct Inputs {
  Tensor q, k, v, dy;
};

/// q and k Normal(0, width), of E = 3 columns for each of 2 heads.
Inputs drawn(int64_t L, double width, DType dtype, Device device = kCpu) {
  const auto values = [&](int64_t columns, uint64_t seed, double scale) {
    const Tensor x = random_tensor({2, L, 2, columns}, seed);
    return to(cast(affine(Var(x), scale).value(), dtype), device);
  };
  return {values(3, 1, width), values(3, 2, width), values(5, 3, 1), values(5, 4, 1)};
}

Inputs in_f64(const Inputs& x) {
  const auto wide = [](const Tensor& t) { return cast(to(t, kCpu), DType::F64); };
  return {wide(x.q), wide(x.k), wide(x.v), wide(x.dy)};
}

/// y and the gradients of q, k and v.
std::vector<Tensor> results(const Inputs& x, const VandermondeOptions& options) {
  const Var q = leaf(x.q), k = leaf(x.k), v = leaf(x.v);
  const Var y = vandermonde(q, k, v, options);
  backward(y, {.seed = x.dy});
  return {y.value(), q.grad(), k.grad(), v.grad()};
}

/// The same by the matrix written out.
std::vector<Tensor> written_out(const Inputs& x, const VandermondeOptions& options) {
  const Var q = leaf(x.q), k = leaf(x.k), v = leaf(x.v);
  const Var M = vandermonde_matrix(q, k, options);
  const Var y = permute(matmul(M, permute(v, {0, 2, 1, 3})), {0, 2, 1, 3});
  backward(y, {.seed = x.dy});
  return {y.value(), q.grad(), k.grad(), v.grad()};
}

void check_close(const std::vector<Tensor>& got, const std::vector<Tensor>& want, double tolerance) {
  for (size_t i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(got[i], want[i]) <= tolerance);
  }
}

TEST_CASE("vandermonde: every form is the matrix, for frequencies of a small part of a turn and of many") {
  for (const double sign : {-1., 1.})
    for (const double width : {0.1, 3., 1000.}) {
      const Inputs x = drawn(70, width, DType::F64);
      const std::vector<Tensor> want = written_out(x, {.scale = 0.1, .sign = sign});
      CAPTURE(sign);
      CAPTURE(width);
      check_close(results(x, {.scale = 0.1, .sign = sign, .form = Form::kEntries}), want, 1e-11);
      if (width == 0.1) check_close(results(x, {.scale = 0.1, .sign = sign, .form = Form::kSeries}), want, 1e-12);
      if (width != 0.1) check_close(results(x, {.scale = 0.1, .sign = sign, .form = Form::kGrid}), want, 1e-10);
    }
}

TEST_CASE("vandermonde: the grid is as accurate as asked for") {
  const Inputs x = drawn(70, 100, DType::F64);
  const std::vector<Tensor> want = written_out(x, {.sign = 1});
  for (const double accuracy : {1e-3, 1e-6, 1e-10, 1e-12}) {
    CAPTURE(accuracy);
    check_close(results(x, {.sign = 1, .accuracy = accuracy, .form = Form::kGrid}), want, accuracy);
  }
  CHECK(relative_error(results(x, {.sign = 1, .accuracy = 1e-3, .form = Form::kGrid})[0], want[0]) > 1e-8);
}

TEST_CASE("vandermonde: F32 is right to rounding in the form that is taken by itself, however small or large q is") {
  for (const Device device : test_devices())
    for (const int64_t L : {40, 258})
      for (const double width : {1e-4, 1., 1e4}) {
        const Inputs x = drawn(L, width, DType::F32, device);
        CAPTURE(L);
        CAPTURE(width);
        check_close(results(x, {}), written_out(in_f64(x), {}), tolerance(DType::F32, static_cast<double>(L) * 30));
      }
}

TEST_CASE("vandermonde: an outlier is nothing special") {
  for (const int64_t L : {40, 258}) {
    const Inputs x = drawn(L, 1, DType::F64);
    x.q.data<double>()[5] = 1e7;
    x.k.data<double>()[0] = -1e5;
    check_close(results(x, {}), written_out(x, {}), 1e-8);  // the matrix itself: angles of 1e7 have lost 8 digits
  }
}

TEST_CASE("vandermonde: whole turns change nothing") {
  const Inputs x = drawn(258, 10, DType::F64);
  Inputs turned = x;
  turned.q = affine(Var(x.q), 1, 4096).value();
  for (const Form form : {Form::kEntries, Form::kGrid})
    check_close(results(turned, {.eps = 0x1p-10, .form = form}), results(x, {.eps = 0x1p-10, .form = form}), 1e-9);
}

TEST_CASE("vandermonde: what is not a number is not hidden") {
  for (const Form form : {Form::kAuto, Form::kEntries, Form::kGrid})
    for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
      const Inputs x = drawn(20, 1, DType::F64);
      x.q.data<double>()[0] = bad;
      CHECK(std::isnan(results(x, {.form = form})[0].data<double>()[0]));
    }
}

TEST_CASE("vandermonde: points of the circle fold onto a half of it") {
  const Grid grid = Grid::of(8, 1e-7);
  CHECK(grid.n == 32);
  CHECK(grid.w == 9);
  CHECK(grid.fold(-3) == 3);
  CHECK(grid.fold(16) == 16);
  CHECK(grid.fold(19) == 13);
}

TEST_CASE("vandermonde: an empty row") {
  const Inputs x = drawn(0, 1, DType::F64);
  CHECK(results(x, {})[0].shape() == Shape{2, 0, 2, 5});
}

TEST_CASE("vandermonde: errors") {
  const Inputs x = drawn(4, 1, DType::F64);
  CHECK_THROWS_WITH(vandermonde(x.q.select(0, 0), x.k, x.v),
                    "vandermonde: q must be floating [B, L, H, E] with H and E positive, got F64 [4, 2, 3] on CPU");
  CHECK_THROWS_WITH(vandermonde(x.q, x.v, x.v),
                    "vandermonde: k must be as q, which is F64 [2, 4, 2, 3] on CPU, got F64 [2, 4, 2, 5] on CPU");
  CHECK_THROWS_WITH(vandermonde(x.q, x.k, cast(x.v, DType::F32)),
                    "vandermonde: v must be [B, L, H, P] in the dtype and on the device of q, which is F64 [2, 4, 2, "
                    "3] on CPU, got F32 [2, 4, 2, 5] on CPU");
  CHECK_THROWS_WITH(vandermonde(x.q, x.k, x.v, {.accuracy = 1}), "vandermonde: accuracy must be in [0, 1), got 1");
}

}  // namespace
}  // namespace matmix::testing
