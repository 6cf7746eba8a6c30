#include "tensor/create.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "tensor/transfer.h"
#include "tests/support/devices.h"

using namespace matmix;
using namespace matmix::testing;

namespace {
constexpr DType kAll[] = {DType::F64, DType::F32, DType::BF16, DType::I64, DType::I32, DType::U8, DType::Bool};
}

TEST_CASE("full, zeros and arange hold their values in every dtype on every device") {
  for (const Device device : test_devices())
    for (const DType dtype : kAll) {
      CAPTURE(dtype);
      const Tensor ones = full({3, 7}, 1, dtype, device);
      CHECK(ones.shape() == Shape{3, 7});
      CHECK(ones.dtype() == dtype);
      CHECK(ones.device() == device);
      CHECK(ones.is_contiguous());
      CHECK(to_vector<double>(ones) == std::vector<double>(21, 1));
      CHECK(to_vector<double>(zeros({40000}, dtype, device)) == std::vector<double>(40000, 0));
      CHECK(to_vector<double>(arange(2, dtype, device)) == std::vector<double>{0, 1});
    }
  CHECK(to_vector<int64_t>(arange(5, DType::F32)) == std::vector<int64_t>{0, 1, 2, 3, 4});
  CHECK(arange(0, DType::I64).shape() == Shape{0});
}

TEST_CASE("full keeps what the dtype can hold") {
  CHECK(std::isnan(item<float>(full({1}, NAN, DType::BF16))));
  CHECK(item<double>(full({}, 0.1, DType::F32)) == static_cast<double>(0.1f));
  CHECK(item<int64_t>(full({}, -0x1p63, DType::I64)) == INT64_MIN);
  CHECK(std::signbit(item<double>(full({}, -0.0, DType::F64))));
}

TEST_CASE("fill writes any window and nothing else, and counts as one change") {
  for (const Device device : test_devices()) {
    const Tensor x = zeros({4, 5, 6}, DType::F32, device);
    const uint64_t version = x.version();
    fill(x.transpose(0, 2).narrow(1, 1, 2), 3);
    CHECK(x.version() == version + 1);
    const auto values = to_vector<double>(x);
    for (int64_t i = 0; i < x.numel(); ++i)
      CHECK(values[static_cast<size_t>(i)] == (i / 6 % 5 == 1 || i / 6 % 5 == 2 ? 3 : 0));
    fill(zeros({0}, DType::F32, device), 1);
  }
}

TEST_CASE("from_vector keeps every value of every type") {
  for (const Device device : test_devices()) {
    CHECK(to_vector<double>(from_vector(std::vector<double>{0.1, -2, 1e300}, {3}, device)) ==
          std::vector<double>{0.1, -2, 1e300});
    CHECK(to_vector<int64_t>(from_vector(std::vector<int64_t>{INT64_MIN, INT64_MAX}, {2, 1}, device)) ==
          std::vector<int64_t>{INT64_MIN, INT64_MAX});
    CHECK(to_vector<bool>(from_vector(std::vector<bool>{true, false, true}, {3}, device)) ==
          std::vector<bool>{true, false, true});
    CHECK(to_vector<uint8_t>(from_vector(std::vector<uint8_t>{0, 255}, {2}, device)) == std::vector<uint8_t>{0, 255});
  }
  CHECK(from_vector(std::vector<int32_t>{1, 2, 3}).shape() == Shape{3});
  CHECK(from_vector(std::vector<bfloat16>{bfloat16(1.5f)}).dtype() == DType::BF16);
  CHECK(item<float>(from_vector(std::vector<float>{7}, {})) == 7);
}

TEST_CASE("with MATMIX_POISON=1 floating tensors start as NaN") {
  const char* poison = std::getenv("MATMIX_POISON");
  if (poison != nullptr && std::string(poison) == "1") {
    for (const Device device : test_devices())
      for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
        for (const double x : to_vector<double>(empty({1000}, dtype, device))) CHECK(std::isnan(x));
  } else {  // read once a process
    const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
    CHECK(std::system(("MATMIX_POISON=1 '" + self + "' -tc='with MATMIX_POISON*' > /dev/null").c_str()) == 0);
  }
}

TEST_CASE("empty_like and zeros_like take shape and dtype, not strides") {
  const Tensor x = zeros({2, 3}, DType::BF16).transpose(0, 1);
  CHECK(empty_like(x).is_contiguous());
  CHECK(empty_like(x).shape() == Shape{3, 2});
  CHECK(to_vector<double>(zeros_like(x)) == std::vector<double>(6, 0));
  CHECK(zeros_like(x).dtype() == DType::BF16);
}

TEST_CASE("what cannot be made is refused") {
  CHECK_THROWS_WITH_AS(full({2}, 0.5, DType::I32), "fill: value must be a whole number that I32 holds, got 0.5", Error);
  CHECK_THROWS_WITH_AS(full({2}, 256, DType::U8), "fill: value must be a whole number that U8 holds, got 256", Error);
  CHECK_THROWS_AS(full({2}, NAN, DType::I64), Error);
  CHECK_THROWS_AS(full({2}, 0x1p63, DType::I64), Error);
  CHECK_THROWS_AS(full({2}, -1, DType::U8), Error);
  CHECK_THROWS_AS(full({2}, 2, DType::Bool), Error);
  CHECK_THROWS_WITH_AS(from_vector(std::vector<float>{1, 2, 3}, {2, 2}),
                       "from_vector: [2, 2] has 4 elements, got 3 values", Error);
  CHECK_THROWS_WITH_AS(arange(-1, DType::F32), "arange: n must not be negative, got -1", Error);
  CHECK_THROWS_WITH_AS(empty({int64_t{1} << 61}, DType::F64),
                       "empty: F64 [2305843009213693952] needs more bytes than fit in 63 bits", Error);
  CHECK_THROWS_WITH_AS(empty({2, -1}, DType::F32), "shape: sizes must not be negative, got [2, -1]", Error);
}
