#include "ops/common/views.h"

#include <doctest/doctest.h>

#include "tensor/create.h"
#include "tensor/transfer.h"

using namespace matmix;

namespace {

Tensor counting(const Shape& shape) { return arange(shape.numel(), DType::F64).reshape(shape); }

bool is_view_of(const Tensor& view, const Tensor& x) { return view.raw() == x.raw(); }

}  // namespace

TEST_CASE("rows are viewed where strides allow it and copied where they do not") {
  const Tensor x = counting({2, 3, 4});
  CHECK(as_rows(x).shape() == Shape{6, 4});
  CHECK(is_view_of(as_rows(x), x));
  CHECK(as_rows(counting({5})).shape() == Shape{1, 5});
  CHECK_FALSE(as_rows(Tensor()).defined());
  CHECK(as_rows(zeros({0, 3, 4}, DType::F64)).shape() == Shape{0, 4});
  CHECK(as_rows(zeros({2, 3, 0}, DType::F64)).shape() == Shape{6, 0});
  CHECK(as_rows(zeros({}, DType::F64).expand({2, 0, 3})).shape() == Shape{0, 3});  // empty, and its rows not dense

  const Tensor narrow = x.narrow(2, 1, 2);  // rows of one stride: still a view
  CHECK(is_view_of(as_rows(narrow), narrow));
  CHECK(to_vector<double>(as_rows(narrow)) == to_vector<double>(narrow));

  for (const Tensor& moved : {x.transpose(0, 1), x.transpose(1, 2)}) {
    CHECK_FALSE(rows_view(moved).defined());
    CHECK_FALSE(is_view_of(as_rows(moved), moved));
    CHECK(to_vector<double>(as_rows(moved)) == to_vector<double>(moved));
  }
}

TEST_CASE("dense rows may lie anywhere") {
  const Tensor x = counting({2, 3, 4}), swapped = x.transpose(0, 1), turned = x.transpose(1, 2);
  CHECK(is_view_of(dense_rows(swapped), swapped));
  CHECK_FALSE(is_view_of(dense_rows(turned), turned));
  CHECK(to_vector<double>(dense_rows(turned)) == to_vector<double>(turned));
}

TEST_CASE("an axis stands between what is before it and behind it") {
  const Tensor x = counting({2, 3, 4, 5});
  const Shape expected[] = {{1, 2, 60}, {2, 3, 20}, {6, 4, 5}, {24, 5, 1}};
  for (int axis = 0; axis < 4; ++axis) {
    CHECK(around(x, axis).shape() == expected[axis]);
    CHECK(is_view_of(around(x, axis), x));
  }
  const Tensor moved = x.transpose(0, 1);
  CHECK(around(moved, 2).shape() == Shape{6, 4, 5});
  CHECK(to_vector<double>(around(moved, 2)) == to_vector<double>(moved));
  CHECK(around(zeros({0, 3}, DType::F64), 1).shape() == Shape{0, 3, 1});
}

TEST_CASE("one row serves a batch") {
  const Tensor x = counting({1, 3, 2, 2});
  CHECK(over_batch(x, 5).shape() == Shape{5, 3, 2, 2});
  CHECK(over_batch(x, 5).stride(0) == 0);
  CHECK(over_batch(counting({5, 3, 2, 2}), 5).stride(0) == 12);
  CHECK(batch_of({5, 3, 2, 2}) == Shape{5, 3});
  CHECK(batch_of({2, 2}) == Shape{});
}
