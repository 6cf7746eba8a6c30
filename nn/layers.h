#pragma once

#include "nn/module.h"
#include "nn/step_state.h"
#include "ops/conv1d/conv1d.h"
#include "ops/linear/linear.h"
#include "ops/norm/norm.h"

namespace matmix::nn {

/// y = act(x W^T + b). Parameters: weight [out, in] ~ init, bias [out] (0 at first).
class Linear final : public Module {
 public:
  struct Options {
    bool bias = true;
    Activation act = Activation::kNone;
    std::optional<DType> out_dtype = {};
    std::optional<Init> init = {};  ///< of the weight; default U(+-1/sqrt(in))
  };
  Linear(int64_t in, int64_t out, const Options& options);
  Linear(int64_t in, int64_t out) : Linear(in, out, Options{}) {}
  Var forward(const Var& x) const;
  void visit(Visitor& v) override;

  Parameter weight, bias;

 private:
  Options options_;
};

/// down(act(up(x))); gated: down(a act(b)) with [a | b] = up(x), which is SwiGLU for silu and GeGLU for gelu.
/// Parameters: those of up [width (twice if gated), d_model] and down [d_model, width].
class Mlp final : public Module {
 public:
  struct Options {
    Activation act = Activation::kGelu;
    bool gated = false;
    bool bias = true;
  };
  Mlp(int64_t d_model, int64_t width, const Options& options);
  Mlp(int64_t d_model, int64_t width) : Mlp(d_model, width, Options{}) {}
  Var forward(const Var& x) const;
  void visit(Visitor& v) override;

  Linear up, down;

 private:
  Options options_;
  int64_t width_;
};

/// Rows of weight [V, D] ~ Normal(0, stddev).
class Embedding final : public Module {
 public:
  Embedding(int64_t V, int64_t D, double stddev = 0.02);
  Var forward(const Tensor& ids) const;
  void visit(Visitor& v) override;

  Parameter weight;
};

/// ops/norm with learned weight [D] (1 at first) and, for layer norm, bias [D] (0 at first).
class Norm final : public Module {
 public:
  Norm(NormKind kind, int64_t D, double eps = 1e-5);
  /// `options.kind`, `.bias` and `.eps` are this layer's.
  NormResult forward(const Var& x, NormOptions options = {}) const;
  void visit(Visitor& v) override;

  Parameter weight, bias;

 private:
  NormKind kind_;
  double eps_;
};

/// ops/conv1d with learned weight [C, width] ~ U(+-1/sqrt(width)) and, if asked for, bias [C] of the same distribution.
class Conv1d final : public Module {
 public:
  Conv1d(int64_t C, int64_t width, bool bias);
  /// `options.bias` is this layer's.
  Var forward(const Var& x, Conv1dOptions options) const;
  void visit(Visitor& v) override;

  Parameter weight, bias;
};

/// ops/dropout with random bits of its own module path.
class Dropout final : public Module {
 public:
  explicit Dropout(double p) : p_(p) {}
  /// x itself if p is 0 or `state` is null (evaluation).
  Var forward(const Var& x, uint64_t seed, const StepState* state) const;
  void visit(Visitor&) override {}

 private:
  double p_;
};

}  // namespace matmix::nn
