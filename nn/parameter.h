#pragma once

#include <string>

#include "autograd/var.h"
#include "nn/init.h"

namespace matmix::nn {

/// Whether the optimiser shrinks a parameter: matrices yes; biases, norm weights, A_log, D, dt_bias no.
enum class Decay { kYes, kNo };
/// In bf16 runs: GEMM weights are read through their BF16 shadow, everything else (vectors, decays, taps) in F32.
enum class Operand { kGemm, kMaster };

/// One learned tensor, declared by a module (shape, initial values, decay group, precision) and given storage by a
/// ParameterStore: var() is what ops read, a leaf whose gradient lies in the store's flat gradient.
class Parameter {
 public:
  Parameter() = default;  ///< absent: defined() is false, visit() skips it, var() is an undefined Var
  Parameter(Shape shape, Init init, Decay decay, Operand operand = Operand::kMaster)
      : shape_(shape), init_(init), decay_(decay), operand_(operand), defined_(true) {}

  bool defined() const { return defined_; }
  const Shape& shape() const { return shape_; }
  const Init& init() const { return init_; }
  Decay decay() const { return decay_; }
  Operand operand() const { return operand_; }

  /// Error naming what to do if no store has bound it.
  const Var& var() const;
  operator const Var&() const { return var(); }  // NOLINT: reads as its value
  /// The F32 (or F64) values behind var().
  const Tensor& master() const { return master_; }

 private:
  friend class ParameterStore;
  Shape shape_;
  Init init_;
  Decay decay_ = Decay::kYes;
  Operand operand_ = Operand::kMaster;
  bool defined_ = false;
  Var var_;
  Tensor master_;
};

}  // namespace matmix::nn
