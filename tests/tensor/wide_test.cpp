#include "tensor/wide.h"

#include <doctest/doctest.h>

#include <vector>

using namespace matmix;
using namespace matmix::cpu;

TEST_CASE("rows of every floating dtype come out as their accumulator and go back unchanged") {
  for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
    dispatch_float(dtype, "test", [&]<class T>() {
      using A = Accumulator<T>;
      for (const int64_t step : {0, 1, 3})
        for (const int64_t n : {0, 1, 7, 64}) {
          CAPTURE(dtype);
          CAPTURE(step);
          CAPTURE(n);
          std::vector<T> x(static_cast<size_t>(n * step + 1));
          for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(0.25 * static_cast<double>(i) - 3);
          std::vector<A> wide(static_cast<size_t>(n));
          widen(dtype, x.data(), step, n, wide.data());
          for (int64_t i = 0; i < n; ++i)
            CHECK(wide[static_cast<size_t>(i)] == static_cast<A>(x[static_cast<size_t>(i * step)]));

          std::vector<T> back(x.size(), static_cast<T>(9.0));
          narrow(dtype, wide.data(), n, back.data(), step);
          for (int64_t i = 0; i < static_cast<int64_t>(back.size()); ++i) {
            const bool is_written = step == 0 ? i == 0 && n > 0 : i % step == 0 && i / step < n;
            CHECK(static_cast<A>(back[static_cast<size_t>(i)]) ==
                  (is_written ? static_cast<A>(x[static_cast<size_t>(i)]) : A(9)));
          }
        }
    });
}

TEST_CASE("narrow rounds as the dtype does") {
  const float x[] = {1.00390625f, 1.01171875f, -1.00390625f};  // halfway between neighbours: to even
  bfloat16 y[3];
  narrow(DType::BF16, x, 3, y, 1);
  CHECK(static_cast<float>(y[0]) == 1.0f);
  CHECK(static_cast<float>(y[1]) == 1.015625f);
  CHECK(static_cast<float>(y[2]) == -1.0f);
}

TEST_CASE("what is dense and wide stays in its place") {
  const float x[] = {1, 2, 3, 4};
  const bool flags[] = {true, false, true};
  float buffer[4];
  bool flag_buffer[3];
  CHECK(widened(DType::F32, x, 1, 4, buffer) == x);
  CHECK(widened(DType::F32, x, 2, 2, buffer) == buffer);
  CHECK(buffer[1] == 3);
  CHECK(widened(DType::Bool, flags, 1, 3, flag_buffer) == flags);
  CHECK(widened(DType::Bool, flags, 2, 2, flag_buffer) == flag_buffer);
  CHECK(flag_buffer[1]);
}

TEST_CASE("integers are refused") {
  const int64_t x = 1;
  double buffer = 0;
  CHECK_THROWS_WITH_AS(widened(DType::I64, &x, 1, 1, &buffer), "widen: dtype must be F64, F32 or BF16, got I64", Error);
  CHECK_THROWS_WITH_AS(narrow(DType::U8, &buffer, 1, &buffer, 1), "narrow: dtype must be F64, F32 or BF16, got U8",
                       Error);
}
