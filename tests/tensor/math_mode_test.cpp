#include "tensor/math_mode.h"

#include <doctest/doctest.h>

#include <thread>

using namespace matmix;

TEST_CASE("every mode has a name and its dtypes") {
  const struct {
    MathMode mode;
    const char* name;
    DType master, activation;
  } cases[] = {{MathMode::kF64, "f64", DType::F64, DType::F64},
               {MathMode::kF32, "f32", DType::F32, DType::F32},
               {MathMode::kTF32, "tf32", DType::F32, DType::F32},
               {MathMode::kBF16, "bf16", DType::F32, DType::BF16}};
  for (const auto& c : cases) {
    CHECK(to_string(c.mode) == c.name);
    CHECK(parse_math_mode(c.name) == c.mode);
    CHECK(master_dtype(c.mode) == c.master);
    CHECK(activation_dtype(c.mode) == c.activation);
  }
  CHECK_THROWS_WITH_AS(parse_math_mode("fp16"), "math mode: must be f64, f32, tf32 or bf16, got 'fp16'", Error);
}

TEST_CASE("TF32 is off unless a scope of this thread allows it") {
  CHECK_FALSE(tf32_allowed());
  {
    const Tf32Scope allowed(true);
    CHECK(tf32_allowed());
    {
      const Tf32Scope strict(false);
      CHECK_FALSE(tf32_allowed());
    }
    CHECK(tf32_allowed());
    bool elsewhere = true;
    std::thread([&] { elsewhere = tf32_allowed(); }).join();
    CHECK_FALSE(elsewhere);
  }
  CHECK_FALSE(tf32_allowed());
}
