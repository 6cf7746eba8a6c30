#include "ops/vandermonde/vandermonde.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "autograd/backward.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "ops/vandermonde/vandermonde_order.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/tolerance.h"
#include "tensor/transfer.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"

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
  for (const Device device : test_devices())
    for (const int64_t L : {1, 33, 70})
      for (const double sign : {-1., 1.})
        for (const double width : {0.1, 3., 1000.}) {
          const Inputs x = drawn(L, width, DType::F64), there = drawn(L, width, DType::F64, device);
          const std::vector<Tensor> want = written_out(x, {.scale = 0.1, .sign = sign});
          CAPTURE(L);
          CAPTURE(sign);
          CAPTURE(width);
          check_close(results(there, {.scale = 0.1, .sign = sign, .form = Form::kEntries}), want, 1e-11);
          check_close(results(there, {.scale = 0.1, .sign = sign, .form = Form::kGrid}), want, 1e-10);
          if (device == kCpu && width == 0.1)
            check_close(results(x, {.scale = 0.1, .sign = sign, .form = Form::kSeries}), want, 1e-12);
        }
}

TEST_CASE("vandermonde: the grid is the same on all devices, and in every bit from run to run") {
  for (const Device device : test_devices())
    for (const int64_t L : {2, 37, 300})
      for (const double width : {0., 3., 1000., 1e7}) {
        const Inputs there = drawn(L, width, DType::F64, device);
        const VandermondeOptions options{.sign = L == 1 ? 1. : -1.,
                                         .form = Form::kGrid};  // with -1, one token's M is 0
        const std::vector<Tensor> got = results(there, options), again = results(there, options);
        CAPTURE(L);
        CAPTURE(width);
        for (size_t i = 0; i < got.size(); ++i) CHECK(same_bits(got[i], again[i]));
        check_close(got, results(drawn(L, width, DType::F64), options), 1e-11);
      }
}

TEST_CASE("vandermonde: the grid keeps the digits of F32 and BF16, however small or large q is") {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::F32, DType::BF16})
      for (const double width : {1e-4, 1., 100.}) {
        const Inputs x = drawn(93, width, dtype, device);
        CAPTURE(width);
        check_close(results(x, {.form = Form::kGrid}), written_out(in_f64(x), {}), tolerance(dtype, 93 * 30));
      }
}

TEST_CASE("vandermonde: no frequency, no difference") {
  for (const Device device : test_devices()) {
    const std::vector<Tensor> got = results(drawn(40, 0, DType::F32, device), {.form = Form::kGrid});
    for (const Tensor& x : {got[0], got[1], got[2], got[3]})
      for (const double value : to_vector<double>(x)) CHECK(value == 0);
  }
}

TEST_CASE("vandermonde: the form that is taken by itself") {
  const auto same = [](const Inputs& x, Form form) {
    return same_bits(results(x, {})[0], results(x, {.form = form})[0]);
  };
  for (const Device device : test_devices()) {
    CHECK(same(drawn(256, 100, DType::F64, device), Form::kEntries));
    CHECK(same(drawn(257, 100, DType::F64, device), Form::kGrid));
    if (device == kCpu) continue;
    CHECK_THROWS_WITH(results(drawn(4, 1, DType::F64, device), {.form = Form::kSeries}),
                      "vandermonde: form must not be kSeries on CUDA:0");
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
    for (const int64_t L : {int64_t{40}, device == kCpu ? int64_t{258} : int64_t{513}})
      for (const double width : {1e-4, 1., 1e4}) {
        const Inputs x = drawn(L, width, DType::F32, device);
        CAPTURE(L);
        CAPTURE(width);
        check_close(results(x, {}), written_out(in_f64(x), {}), tolerance(DType::F32, static_cast<double>(L) * 30));
      }
}

TEST_CASE("vandermonde: an outlier is nothing special") {
  for (const Device device : test_devices())
    for (const int64_t L : {int64_t{40}, device == kCpu ? int64_t{258} : int64_t{513}}) {
      Inputs x = drawn(L, 1, DType::F64);
      x.q.data<double>()[5] = 1e7;
      x.k.data<double>()[0] = -1e5;
      const std::vector<Tensor> want = written_out(x, {});
      for (Tensor* t : {&x.q, &x.k, &x.v, &x.dy}) *t = to(*t, device);
      check_close(results(x, {}), want, 1e-8);  // the matrix itself: angles of 1e7 have lost 8 digits
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
  for (const Device device : test_devices())
    for (const Form form : {Form::kAuto, Form::kEntries, Form::kGrid})
      for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        Inputs x = drawn(20, 1, DType::F64);
        x.q.data<double>()[0] = bad;
        for (Tensor* t : {&x.q, &x.k, &x.v, &x.dy}) *t = to(*t, device);
        CHECK(std::isnan(to_vector<double>(results(x, {.form = form})[0])[0]));
      }
}

TEST_CASE("vandermonde: points of the circle fold onto a half of it, behind the moments") {
  const Grid grid = Grid::of(8, 1e-7);
  CHECK(grid.n == 32);
  CHECK(grid.w == 9);
  CHECK(grid.row(0) == 17);
  CHECK(grid.row(Grid::zero() - 3) == 3);
  CHECK(grid.row(Grid::zero() + 16) == 16);
  CHECK(grid.row(Grid::zero() + 19) == 13);
  int64_t images = 0;
  for (int64_t row = 0; row < grid.rows(); ++row)
    for (int i = 0; i < Grid::kImages; ++i)
      if (const int64_t place = grid.image(row, i); place >= 0) {
        CHECK(grid.row(place) == row);
        ++images;
      }
  CHECK(images == grid.places());
}

TEST_CASE("vandermonde: taps stay on the line, and those of a turn are those of a whole turn more") {
  for (const double accuracy : {1e-1, 1e-7, 1e-10, 1e-14}) {
    const Grid grid = Grid::of(100, accuracy);
    for (int i = 0; i <= 4096; ++i) {
      const double turn = i / 4096.;
      const Spot<double> spot(grid, 1, turn), other(grid, 1, turn - 3);
      CHECK(spot.first == other.first);
      CHECK(spot.at == other.at);
      CHECK(spot.first >= 0);
      CHECK(spot.first + spot.count(grid) <= grid.places());
      CHECK(spot.small() == (spot.first < Grid::kMoments));
    }
  }
}

/// What the rows of a grid receive from numbers [matrices, L E] that each add their taps times two values of their
/// token, in pieces as NumberOrder has them.
template <int kPlaces>
std::vector<double> sums_by_pieces(const Grid& grid, int64_t E, const std::vector<double>& x,
                                   const std::vector<double>& u) {
  const int64_t matrices = std::ssize(x) / (grid.L * E);
  const NumberOrder order(grid, matrices, E, kPlaces);
  std::vector<uint64_t> words;
  for (int64_t at = 0; at < std::ssize(x); ++at) {
    const int64_t token = at % order.numbers / E, place = Spot<double>(grid, 1, x[static_cast<size_t>(at)]).first;
    words.push_back(order.word(at / order.numbers, place, token, at % E));
  }
  std::ranges::sort(words);
  std::vector<double> all;
  for (int64_t matrix = 0; matrix < matrices; ++matrix) {
    const uint64_t* const own = words.data() + matrix * order.numbers;
    std::vector<double> parts(static_cast<size_t>(2 * order.parts()), std::numeric_limits<double>::quiet_NaN());
    bool met = false;
    for (int64_t piece = 0; piece < order.pieces(); ++piece) {
      const int64_t begin = piece * NumberOrder::kPiece, end = std::min(begin + NumberOrder::kPiece, order.numbers);
      Window<double, kPlaces, 2> window{static_cast<int>(order.place(own[begin], matrix))};
      const auto store = [&](int place, const double(&sum)[2]) {
        double* to = &parts.at(static_cast<size_t>(2 * order.part(piece, place)));
        met = met || !std::isnan(to[0]);
        std::copy_n(sum, 2, to);
      };
      for (int64_t i = begin; i < end; ++i) {
        const int64_t token = matrix * grid.L + order.token(own[i]);
        const Spot<double> spot(grid, 1, x[static_cast<size_t>(token * E + order.d(own[i]))]);
        window.slide(static_cast<int>(spot.first), store);
        for (int a = 0; a < spot.count(grid); ++a) {
          const double by = spot.small() ? spot.on_moment(0, a).value : spot.on_grid(grid, a).value;
          for (int c = 0; c < 2; ++c) window.sum[a][c] += by * u[static_cast<size_t>(2 * token + c)];
        }
      }
      window.slide(window.first + kPlaces, store);
    }
    CHECK(!met);
    for (int64_t row = 0; row < grid.rows(); ++row)
      for (int c = 0; c < 2; ++c) {
        double sum = 0;
        for (int i = 0; i < Grid::kImages; ++i) {
          const int64_t place = grid.image(row, i);
          if (place < 0) continue;
          const int64_t low = order.before(own, matrix, place - kPlaces + 1),
                        high = order.before(own, matrix, place + 1);
          if (low >= high) continue;
          for (int64_t piece = low / NumberOrder::kPiece; piece <= (high - 1) / NumberOrder::kPiece; ++piece)
            sum += parts.at(static_cast<size_t>(2 * order.part(piece, place) + c));
        }
        all.push_back(sum);
      }
  }
  return all;
}

TEST_CASE("vandermonde: sums by pieces of the sorted numbers are the sums") {
  for (const int64_t L : {1, 7, 300})
    for (const double width : {0., 1e-4, 0.01, 0.3, 1e5}) {
      const int64_t E = 3, matrices = 2;
      const Grid grid = Grid::of(L, 1e-7);
      std::vector<double> x = to_vector<double>(affine(Var(random_tensor({matrices * L * E}, 7)), width).value());
      x[0] = 0.5;
      const std::vector<double> u = to_vector<double>(random_tensor({matrices * L * 2}, 8));
      std::vector<double> want(static_cast<size_t>(matrices * grid.rows() * 2));
      for (int64_t at = 0; at < std::ssize(x); ++at) {
        const Spot<double> spot(grid, 1, x[static_cast<size_t>(at)]);
        for (int a = 0; a < spot.count(grid); ++a)
          for (int64_t c = 0; c < 2; ++c) {
            const double by = spot.small() ? spot.on_moment(0, a).value : spot.on_grid(grid, a).value;
            const int64_t row = at / (L * E) * grid.rows() + grid.row(spot.first + a);
            want[static_cast<size_t>(2 * row + c)] += by * u[static_cast<size_t>(2 * (at / E) + c)];
          }
      }
      CAPTURE(L);
      CAPTURE(width);
      for (const auto& got :
           {sums_by_pieces<Grid::kMoments>(grid, E, x, u), sums_by_pieces<Grid::kMostTaps>(grid, E, x, u)})
        CHECK(relative_error(from_vector(got), from_vector(want)) <= tolerance(DType::F64, 300));
    }
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
