#include "tensor/math_mode.h"

#include <array>
#include <utility>

namespace matmix {
namespace {

constexpr std::array<std::string_view, 4> kNames{"f64", "f32", "tf32", "bf16"};
thread_local bool allow_tf32 = false;

}  // namespace

std::string_view to_string(MathMode mode) { return kNames[static_cast<size_t>(mode)]; }

MathMode parse_math_mode(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<MathMode>(i);
  fail("math mode", "must be f64, f32, tf32 or bf16, got '", name, "'");
}

DType master_dtype(MathMode mode) { return mode == MathMode::kF64 ? DType::F64 : DType::F32; }
DType activation_dtype(MathMode mode) { return mode == MathMode::kBF16 ? DType::BF16 : master_dtype(mode); }

bool tf32_allowed() { return allow_tf32; }
Tf32Scope::Tf32Scope(bool allowed) : outer_(std::exchange(allow_tf32, allowed)) {}
Tf32Scope::~Tf32Scope() { allow_tf32 = outer_; }

}  // namespace matmix
