#include "tensor/dtype.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "tensor/create.h"
#include "tensor/transfer.h"

using namespace matmix;

TEST_CASE("every dtype has a name, a size and a C++ type that agree") {
  for (int i = 0; i < 7; ++i) {
    const auto dtype = static_cast<DType>(i);
    CAPTURE(dtype);
    CHECK(parse_dtype(to_string(dtype)) == dtype);
    dispatch_all(dtype, "test", [&]<class T>() {
      CHECK(dtype_of<T>() == dtype);
      CHECK(size_of(dtype) == sizeof(T));
      CHECK(is_floating(dtype) == (std::is_floating_point_v<T> || std::is_same_v<T, bfloat16>));
    });
  }
  CHECK_THROWS_WITH_AS(parse_dtype("f32"), "dtype: must be F64, F32, BF16, I64, I32, U8 or Bool, got 'f32'", Error);
}

TEST_CASE("dispatch_float takes floating dtypes alone") {
  CHECK(dispatch_float(DType::BF16, "norm", []<class T>() { return sizeof(T); }) == 2);
  CHECK_THROWS_WITH_AS(dispatch_float(DType::I64, "norm", []<class T>() {}),
                       "norm: dtype must be F64, F32 or BF16, got I64", Error);
}

TEST_CASE("sums of bfloat16 and float are carried in float, of double in double") {
  CHECK(std::is_same_v<Accumulator<bfloat16>, float>);
  CHECK(std::is_same_v<Accumulator<float>, float>);
  CHECK(std::is_same_v<Accumulator<double>, double>);
}

TEST_CASE("every bfloat16 survives the way through float") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    bfloat16 x{};
    x.bits = static_cast<uint16_t>(bits);
    const float wide = x;
    if (std::isnan(wide))
      CHECK(std::isnan(static_cast<float>(bfloat16(wide))));
    else
      CHECK(bfloat16(wide).bits == bits);
  }
}

TEST_CASE("doubles and whole numbers are rounded to bfloat16 once") {
  // By exact fractions; a float between would land on the middle of two neighbours, and then on the even one.
  const std::vector<std::pair<double, double>> doubles{{1 + 0x1p-8 + 0x1p-40, 1 + 0x1p-7},
                                                       {1 + 3 * 0x1p-8 - 0x1p-40, 1 + 0x1p-7},
                                                       {0x1p-134 + 0x1p-170, 0x1p-133},
                                                       {1 + 0x1p-8, 1},
                                                       {1 + 3 * 0x1p-8, 1 + 0x1p-6},
                                                       {0x1p-134, 0},
                                                       {0x1p-1074, 0},
                                                       {0x1.fefffffffffffp127, 0x1.fep127},
                                                       {0x1.ffp127, INFINITY},
                                                       {0x1p500, INFINITY}};
  for (const double sign : {1., -1.})
    for (const auto& [x, want] : doubles) CHECK(static_cast<double>(bfloat16(sign * x)) == sign * want);
  const std::vector<std::pair<int64_t, double>> whole{
      {16842753, 16908288}, {16842752, 16777216},
      {257, 256},           {(int64_t{1} << 62) + (int64_t{1} << 54) + 1, 0x1.02p62},
      {INT64_MAX, 0x1p63},  {0, 0}};
  for (const auto& [x, want] : whole) {
    CHECK(static_cast<double>(bfloat16(x)) == want);
    CHECK(static_cast<double>(bfloat16(-x)) == -want);
  }
  CHECK(static_cast<double>(bfloat16(INT64_MIN)) == -0x1p63);
  const Tensor x = cast(from_vector<double>({1 + 0x1p-8 + 0x1p-40}), DType::BF16);
  CHECK(to_vector<double>(x) == std::vector<double>{1 + 0x1p-7});
  CHECK(to_vector<double>(cast(from_vector<int64_t>({16842753}), DType::BF16)) == std::vector<double>{16908288});
}

TEST_CASE("bfloat16 rounds to the nearest, ties to even") {
  // Between neighbours: below the middle down, above it up, on it to the even one.
  for (const uint32_t bits : {0x3f80u, 0x3f81u, 0x0001u, 0x8000u, 0x7f7eu, 0xc123u}) {
    const uint32_t low = bits << 16;
    const auto rounded = [](uint32_t u) { return static_cast<uint32_t>(bfloat16(std::bit_cast<float>(u)).bits); };
    CHECK(rounded(low + 0x7fff) == bits);
    CHECK(rounded(low + 0x8001) == bits + 1);
    CHECK(rounded(low + 0x8000) == bits + (bits & 1));
  }
  CHECK(static_cast<float>(bfloat16(std::numeric_limits<float>::max())) == INFINITY);
  CHECK(static_cast<float>(bfloat16(std::numeric_limits<double>::max())) == INFINITY);
  CHECK(std::isnan(static_cast<float>(bfloat16(double(NAN)))));
  CHECK(bfloat16(-0.0).bits == 0x8000);
  CHECK(std::isnan(static_cast<float>(bfloat16(std::bit_cast<float>(0x7f800001u)))));
  CHECK(static_cast<float>(bfloat16(3)) == 3);
  CHECK(bfloat16().bits == 0);
}
