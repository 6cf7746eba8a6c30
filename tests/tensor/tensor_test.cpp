#include "tensor/tensor.h"

#include <doctest/doctest.h>

#include <functional>

#include "tensor/create.h"
#include "tensor/transfer.h"
#include "tests/support/indices.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

Tensor counting(const Shape& shape) { return arange(shape.numel(), DType::I64).reshape(shape); }

/// Elements in row-major order, by the definition of strides.
std::vector<int64_t> elements(const Tensor& x) {
  std::vector<int64_t> out;
  for_each_index(x.shape(), [&](const Shape& i) { out.push_back(element<int64_t>(x, i)); });
  return out;
}

/// Whether some strides show x's elements, in row-major order, as `shape`: each stride is what one step along its
/// axis moves, and must then hold everywhere.
bool some_view_exists(const Tensor& x, const Shape& shape) {
  std::vector<int64_t> places;
  for_each_index(x.shape(), [&](const Shape& i) { places.push_back(&element<int64_t>(x, i) - x.data<int64_t>()); });
  const Shape steps = contiguous_strides(shape);
  bool exists = true;
  size_t flat = 0;
  for_each_index(shape, [&](const Shape& i) {
    int64_t place = 0;
    for (int axis = 0; axis < shape.rank(); ++axis)
      if (shape[axis] > 1) place += i[axis] * places[static_cast<size_t>(steps[axis])];
    exists = exists && place == places[flat++];
  });
  return exists;
}

/// Every shape of at most `rank` axes with n elements.
void for_each_shape(int64_t n, int rank, const Shape& start, const std::function<void(const Shape&)>& f) {
  if (n == 1) f(start);
  if (rank == 0) return;
  for (int64_t size = 1; size <= n; ++size)
    if (n % size == 0) {
      Shape next = start;
      next.push_back(size);
      for_each_shape(n / size, rank - 1, next, f);
    }
}

}  // namespace

TEST_CASE("reshape makes a view exactly where one exists, with the elements in the same order") {
  const Tensor x = counting({4, 3, 2}), wide = counting({4, 5, 6});
  const std::vector<Tensor> windows = {x,
                                       x.transpose(0, 1),
                                       x.transpose(1, 2),
                                       x.permute({2, 0, 1}),
                                       wide.narrow(1, 1, 3).narrow(2, 2, 2),
                                       wide.narrow(2, 1, 3).narrow(1, 0, 2),
                                       wide.narrow(0, 1, 2).narrow(1, 1, 2),
                                       wide.narrow(1, 0, 1).unsqueeze(0),
                                       counting({4, 1, 1}).expand({4, 3, 2}),
                                       counting({1, 3, 1}).expand({4, 3, 2}),
                                       counting({3, 2}).expand({4, 3, 2}),
                                       counting({24}).unsqueeze(1).transpose(0, 1),
                                       counting({}).expand({24})};
  for (const Tensor& window : windows)
    for_each_shape(24, 4, {}, [&](const Shape& shape) {
      CAPTURE(window.shape());
      CAPTURE(window.strides());
      CAPTURE(shape);
      REQUIRE(window.numel() == 24);
      const bool possible = some_view_exists(window, shape);
      CHECK(window.can_view_as(shape) == possible);
      if (possible) {
        const Tensor view = window.reshape(shape);
        CHECK(view.shape() == shape);
        CHECK(view.shares_storage_with(window));
        CHECK(elements(view) == elements(window));
      } else {
        CHECK_THROWS_AS(window.reshape(shape), Error);
      }
    });
}

TEST_CASE("reshape infers one size and keeps the number of elements") {
  const Tensor x = counting({4, 6});
  CHECK(x.reshape({-1}).shape() == Shape{24});
  CHECK(x.reshape({3, -1, 2}).shape() == Shape{3, 4, 2});
  CHECK(counting({1}).reshape({}).rank() == 0);
  CHECK(zeros({0, 3}, DType::F32).reshape({7, 0}).shape() == Shape{7, 0});
  CHECK(zeros({0, 3}, DType::F32).transpose(0, 1).can_view_as({0}));
  CHECK_THROWS_WITH_AS(x.reshape({-1, -1}), "reshape: one size may be -1, got [-1, -1]", Error);
  CHECK_THROWS_WITH_AS(x.reshape({-1, 5}), "reshape: cannot infer -1 in [-1, 5] for I64 [4, 6] on CPU", Error);
  CHECK_THROWS_WITH_AS(x.reshape({5, 5}), "reshape: must keep 24 elements, got [5, 5] for I64 [4, 6] on CPU", Error);
  CHECK_THROWS_WITH_AS(x.transpose(0, 1).reshape({24}),
                       "reshape: strides [1, 6] do not allow a view of I64 [6, 4] on CPU as [24]", Error);
  CHECK_THROWS_AS(zeros({0, 3}, DType::F32).reshape({-1, 0}), Error);
}

TEST_CASE("views see the elements that their definition says") {
  const Tensor x = counting({2, 3, 4});
  const auto at = [](int64_t i, int64_t j, int64_t k) { return 12 * i + 4 * j + k; };
  for_each_index({2, 3, 4}, [&](const Shape& i) {
    CHECK(element<int64_t>(x, i) == at(i[0], i[1], i[2]));
    CHECK(element<int64_t>(x.permute({2, 0, 1}), {i[2], i[0], i[1]}) == at(i[0], i[1], i[2]));
    CHECK(element<int64_t>(x.transpose(0, -1), {i[2], i[1], i[0]}) == at(i[0], i[1], i[2]));
    CHECK(element<int64_t>(x.unsqueeze(1), {i[0], 0, i[1], i[2]}) == at(i[0], i[1], i[2]));
    CHECK(element<int64_t>(x.select(1, i[1]), {i[0], i[2]}) == at(i[0], i[1], i[2]));
    if (i[2] >= 1 && i[2] < 3)
      CHECK(element<int64_t>(x.narrow(-1, 1, 2), {i[0], i[1], i[2] - 1}) == at(i[0], i[1], i[2]));
    CHECK(element<int64_t>(x.narrow(1, 2, 1).expand({5, 2, 3, 4}), {3, i[0], i[1], i[2]}) == at(i[0], 2, i[2]));
  });
  CHECK(x.unsqueeze(3).squeeze(-1).same_view_as(x));
  CHECK(x.narrow(0, 2, 0).numel() == 0);
  CHECK(x.permute({0, 1, -1}).same_view_as(x));
  CHECK(elements(counting({12}).strided({3, 2}, {4, 1})) == std::vector<int64_t>{0, 1, 4, 5, 8, 9});
  CHECK(elements(counting({4}).narrow(0, 1, 3).strided({2, 2}, {1, 1})) == std::vector<int64_t>{1, 2, 2, 3});
}

TEST_CASE("a change through one view is seen through all") {
  const Tensor x = zeros({2, 3}, DType::F32);
  fill(x.transpose(0, 1).select(0, 1), 5);
  CHECK(to_vector<float>(x) == std::vector<float>{0, 5, 0, 0, 5, 0});
  CHECK(x.version() == x.select(0, 0).version());
}

TEST_CASE("contiguous and dense rows") {
  const Tensor x = counting({2, 3, 4});
  CHECK(x.is_contiguous());
  CHECK_FALSE(x.transpose(0, 1).is_contiguous());
  CHECK(x.transpose(0, 1).has_dense_rows());
  CHECK_FALSE(x.transpose(0, 2).has_dense_rows());
  CHECK(x.narrow(2, 0, 2).has_dense_rows());
  CHECK_FALSE(x.narrow(2, 0, 2).is_contiguous());
  CHECK(x.narrow(0, 1, 1).is_contiguous());
  CHECK(x.narrow(1, 0, 0).transpose(0, 1).is_contiguous());
  CHECK(counting({}).is_contiguous());
  CHECK(counting({}).has_dense_rows());
  CHECK(x.narrow(2, 0, 1).has_dense_rows());
}

TEST_CASE("a tensor tells its dtype, size and handles") {
  const Tensor x = zeros({2, 3}, DType::BF16);
  CHECK(x.bytes() == 12);
  CHECK(x.dim(-1) == 3);
  CHECK(x.stride(0) == 3);
  CHECK(x.use_count() == 1);
  const Tensor view = x.select(0, 0);
  CHECK(x.use_count() == 2);
  CHECK_FALSE(view.same_view_as(x));
  CHECK(to_string(x) == "BF16 [2, 3] on CPU");
  CHECK(to_string(Tensor()) == "undefined");
  CHECK_FALSE(Tensor().defined());
}

TEST_CASE("views that do not fit are refused") {
  const Tensor x = zeros({2, 3}, DType::F32);
  CHECK_THROWS_WITH_AS(x.data<double>(), "tensor: data was asked for as F64, but it is F32 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(Tensor().device(), "tensor: has no device: it is undefined", Error);
  CHECK_THROWS_WITH_AS(Tensor().raw(), "tensor: has no data: it is undefined", Error);
  CHECK_THROWS_WITH_AS(x.permute({0}), "permute: must name all 2 axes, got 1", Error);
  CHECK_THROWS_WITH_AS(x.permute({0, 0}), "permute: axis 0 is named twice", Error);
  CHECK_THROWS_WITH_AS(x.transpose(0, 2), "transpose: axis must be in [-2, 2), got 2", Error);
  CHECK_THROWS_WITH_AS(x.narrow(1, 2, 2), "narrow: [2, 2 + 2) must lie in axis 1 of F32 [2, 3] on CPU", Error);
  CHECK_THROWS_AS(x.narrow(1, -1, 1), Error);
  CHECK_THROWS_AS(x.narrow(1, 0, -1), Error);
  CHECK_THROWS_AS(x.narrow(1, 1, INT64_MAX), Error);
  CHECK_THROWS_AS(x.select(0, 2), Error);
  CHECK_THROWS_WITH_AS(x.expand({3, 3}), "expand: shapes [2, 3] and [3, 3] do not broadcast", Error);
  CHECK_THROWS_WITH_AS(x.expand({3}), "expand: F32 [2, 3] on CPU does not broadcast to [3]", Error);
  CHECK_THROWS_WITH_AS(x.squeeze(0), "squeeze: axis 0 must have size 1 in F32 [2, 3] on CPU", Error);
  CHECK_THROWS_AS(x.unsqueeze(3), Error);
  CHECK_THROWS_WITH_AS(x.strided({2, 2}, {3, 3}),
                       "strided: [2, 2] with strides [3, 3] leaves the 6 elements under F32 [2, 3] on CPU", Error);
  CHECK_THROWS_WITH_AS(x.strided({2}, {1, 1}), "strided: shape and strides must have one rank, got [2] and [1, 1]",
                       Error);
  CHECK_THROWS_WITH_AS(x.strided({2}, {-1}), "strided: strides must not be negative, got [-1]", Error);
}
