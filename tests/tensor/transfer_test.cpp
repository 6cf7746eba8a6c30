#include "tensor/transfer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/parallel.h"
#include "tests/support/devices.h"
#include "tests/support/indices.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

constexpr DType kAll[] = {DType::F64, DType::F32, DType::BF16, DType::I64, DType::I32, DType::U8, DType::Bool};

Tensor counting(const Shape& shape, DType dtype = DType::F32) {
  return cast(arange(shape.numel(), DType::I64).reshape(shape), dtype);
}

/// Windows of every kind on `shape`-shaped values: as they are, permuted, cut out of a larger tensor, broadcast.
std::vector<Tensor> windows(DType dtype) {
  const Tensor big = counting({4, 70, 3, 50}, dtype);
  return {counting({70, 50}, dtype),
          counting({50, 70}, dtype).transpose(0, 1),
          big.select(0, 2).select(1, 1),
          counting({50}, dtype).expand({70, 50}),
          counting({70, 1}, dtype).expand({70, 50}),
          full({}, 1, dtype).expand({70, 50}),
          big.select(0, 1).narrow(0, 0, 50).narrow(2, 0, 50).select(1, 2).expand({2, 50, 50}).select(0, 1),
          counting({3, 5, 40, 7}, dtype).permute({3, 1, 0, 2}),
          counting({40, 33, 35}, dtype).permute({2, 0, 1}),
          counting({2, 1, 3}, dtype).permute({1, 2, 0}),
          full({}, 1, dtype)};
}

bool same_values(const Tensor& a, const Tensor& b) {
  bool same = a.shape() == b.shape();
  dispatch_all(a.dtype(), "test", [&]<class T>() {
    for_each_index(a.shape(), [&](const Shape& i) {
      same = same && static_cast<double>(element<T>(a, i)) == static_cast<double>(element<T>(b, i));
    });
  });
  return same;
}

}  // namespace

TEST_CASE("copy moves every element between windows of any strides, on any devices") {
  for (const Device from : test_devices())
    for (const Device there : test_devices())
      for (const DType dtype : {DType::F64, DType::F32, DType::BF16, DType::U8})
        for (const Tensor& x : windows(dtype)) {
          CAPTURE(x);
          CAPTURE(x.strides());
          const Tensor src = x.is_contiguous() ? to(x, from) : to(contiguous(x), from);
          CHECK(same_values(to(src, kCpu), x));
          if (from == kCpu) CHECK(same_values(to(clone(to(x, there)), kCpu), x));
          // Into the middle of something larger, which stays as it is elsewhere.
          Shape around = x.shape();
          around.push_back(3);
          const Tensor room = full(around, 0, dtype, there);
          copy(room.select(-1, 1), src);
          const Tensor back = to(room, kCpu);
          CHECK(same_values(back.select(-1, 1), x));
          CHECK(same_values(back.select(-1, 0), zeros(x.shape(), dtype)));
          CHECK(same_values(back.select(-1, 2), zeros(x.shape(), dtype)));
        }
}

TEST_CASE("views are copied on their own device as on the CPU") {
  for (const Device device : test_devices()) {
    const Tensor x = to(counting({6, 40, 48}), device);
    for (const auto& order : {std::vector{2, 1, 0}, {0, 2, 1}, {1, 0, 2}, {2, 0, 1}, {1, 2, 0}}) {
      const Tensor got = to(contiguous(x.permute(order)), kCpu);
      CHECK(same_values(got, to(x, kCpu).permute(order)));
    }
    const Tensor cut = x.narrow(2, 4, 40).narrow(1, 3, 20);
    CHECK(same_values(to(clone(cut), kCpu), to(x, kCpu).narrow(2, 4, 40).narrow(1, 3, 20)));
    CHECK(same_values(to(cast(x.transpose(0, 2), DType::F64), kCpu), cast(to(x, kCpu), DType::F64).transpose(0, 2)));
  }
}

TEST_CASE("a copy has the same bits for any thread count") {
  const int before = thread_count();
  for (const Tensor& x : {counting({40, 120, 70}).permute({2, 0, 1}), counting({300000})}) {
    set_thread_count(1);
    const Tensor one = cast(x, DType::F64);
    set_thread_count(4);
    CHECK(same_bits(one, cast(x, DType::F64)));
  }
  set_thread_count(before);
}

TEST_CASE("cast follows C++ for every pair of dtypes") {
  for (const Device device : test_devices())
    for (const DType from : kAll)
      for (const DType into : kAll) {
        CAPTURE(from);
        CAPTURE(into);
        const std::vector<double> values =
            from == DType::Bool ? std::vector<double>{0, 1, 1} : std::vector<double>{0, 1, 100};
        const Tensor x = to(cast(from_vector(values), from), device);
        const auto got = to_vector<double>(cast(x, into));
        const double hundred = into == DType::Bool || from == DType::Bool ? 1 : 100;
        CHECK(got == std::vector<double>{0, 1, hundred});
      }
}

TEST_CASE("casts round to nearest even, truncate to integers, and keep NaN and infinity") {
  for (const Device device : test_devices()) {
    const auto through = [&](double value, DType dtype) {
      return item<double>(cast(to(from_vector(std::vector{value}), device), dtype));
    };
    CHECK(through(1 + 0x1p-8, DType::BF16) == 1);
    CHECK(through(1 + 3 * 0x1p-8, DType::BF16) == 1 + 0x1p-6);
    CHECK(std::isnan(through(NAN, DType::BF16)));
    CHECK(through(INFINITY, DType::BF16) == INFINITY);
    CHECK(through(1e39, DType::F32) == INFINITY);
    CHECK(through(-2.9, DType::I32) == -2);
    CHECK(through(0.25, DType::Bool) == 1);
    CHECK(through(-0.0, DType::Bool) == 0);
    CHECK(through(9007199254740993.0, DType::I64) == 9007199254740992.0);
  }
}

TEST_CASE("copy counts as a change of dst, and does nothing for the same window or no elements") {
  const Tensor x = zeros({3}, DType::F32), y = zeros({3}, DType::F32);
  const uint64_t version = x.version();
  copy(x, y);
  CHECK(x.version() == version + 1);
  copy(x, x);
  CHECK(x.version() == version + 1);
  CHECK(clone(zeros({0, 4}, DType::BF16)).shape() == Shape{0, 4});
  CHECK(cast(zeros({2, 0}, DType::F32), DType::I64).numel() == 0);
}

TEST_CASE("contiguous, cast and to give x itself where nothing is to be done, clone never") {
  const Tensor x = zeros({2, 3}, DType::F32);
  CHECK(contiguous(x).same_view_as(x));
  CHECK(cast(x, DType::F32).same_view_as(x));
  CHECK(to(x, kCpu).same_view_as(x));
  CHECK_FALSE(clone(x).shares_storage_with(x));
  CHECK(contiguous(x.transpose(0, 1)).is_contiguous());
}

TEST_CASE("to_vector and item read any strides as any type") {
  const Tensor x = counting({2, 3}, DType::I32);
  CHECK(to_vector<float>(x.transpose(0, 1)) == std::vector<float>{0, 3, 1, 4, 2, 5});
  CHECK(to_vector<bool>(x) == std::vector<bool>{false, true, true, true, true, true});
  CHECK(to_vector<double>(zeros({0}, DType::F32)).empty());
  CHECK(item<int64_t>(x.select(0, 1).select(0, 1)) == 4);
  CHECK_THROWS_WITH_AS(item<float>(x), "item: must have one element, got I32 [2, 3] on CPU", Error);
}

TEST_CASE("copy refuses other shapes") {
  CHECK_THROWS_WITH_AS(copy(zeros({2, 3}, DType::F32), zeros({3, 2}, DType::F64)),
                       "copy: shapes must be equal, got F64 [3, 2] on CPU into F32 [2, 3] on CPU", Error);
}
