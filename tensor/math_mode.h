#pragma once

#include <string_view>

#include "tensor/dtype.h"

namespace matmix {

/// How a run computes; docs/numerics.md has the table op class -> input, accumulation, output.
///   kF64   everything in F64
///   kF32   everything in F32; no TF32 anywhere (strict, the default)
///   kTF32  F32 storage; matrix products on CUDA may round their operands to TF32
///   kBF16  activations and GEMM operands BF16; parameters, decays, sums, states, statistics, residual stream F32
enum class MathMode { kF64, kF32, kTF32, kBF16 };

std::string_view to_string(MathMode mode);
/// "f64", "f32", "tf32" or "bf16"; Error naming them otherwise.
MathMode parse_math_mode(std::string_view name);
/// What parameters, gradients and the residual stream are kept in: F64 in kF64, else F32.
DType master_dtype(MathMode mode);
/// What activations are kept in: F64, F32 or BF16.
DType activation_dtype(MathMode mode);

/// Whether matrix products of F32 tensors on CUDA may use TF32 on this thread (set by the run's MathMode).
bool tf32_allowed();
class Tf32Scope {
 public:
  explicit Tf32Scope(bool allowed);
  ~Tf32Scope();
  Tf32Scope(const Tf32Scope&) = delete;
  Tf32Scope& operator=(const Tf32Scope&) = delete;

 private:
  bool outer_;
};

}  // namespace matmix
