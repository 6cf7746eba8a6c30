#include "nn/layers.h"

#include <cmath>

#include "ops/dropout/dropout.h"
#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "ops/layout/layout.h"

namespace matmix::nn {

Linear::Linear(int64_t in, int64_t out, const Options& options) : options_(options) {
  require(in > 0 && out > 0, "linear", "widths must be positive, got ", in, " -> ", out);
  weight = Parameter({out, in}, options.init.value_or(Init::linear_uniform(in)), Decay::kYes, Operand::kGemm);
  if (options.bias) bias = Parameter({out}, Init::zeros(), Decay::kNo);
}

Var Linear::forward(const Var& x) const {
  const ModuleScope scope(*this);
  return linear(x, weight, {.bias = bias, .act = options_.act, .out_dtype = options_.out_dtype});
}

void Linear::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

Mlp::Mlp(int64_t d_model, int64_t width, const Options& o)
    : up(d_model, o.gated ? 2 * width : width, {.bias = o.bias, .act = o.gated ? Activation::kNone : o.act}),
      down(width, d_model, {.bias = o.bias}),
      options_(o),
      width_(width) {}

Var Mlp::forward(const Var& x) const {
  const ModuleScope scope(*this);
  const Var wide = up.forward(x);
  if (!options_.gated) return down.forward(wide);
  const std::vector<Var> parts = split(wide, {width_, width_}, -1);
  return down.forward(gated(parts[0], parts[1], options_.act));
}

void Mlp::visit(Visitor& v) {
  v("up", up);
  v("down", down);
}

Embedding::Embedding(int64_t V, int64_t D, double stddev)
    : weight({V, D}, Init::normal(stddev), Decay::kYes, Operand::kGemm) {
  require(V > 0 && D > 0, "embedding", "sizes must be positive, got ", V, " x ", D);
}

Var Embedding::forward(const Tensor& ids) const {
  const ModuleScope scope(*this);
  return embedding(weight, ids);
}

void Embedding::visit(Visitor& v) { v("weight", weight); }

Norm::Norm(NormKind kind, int64_t D, double eps) : weight({D}, Init::ones(), Decay::kNo), kind_(kind), eps_(eps) {
  if (kind == NormKind::kLayer) bias = Parameter({D}, Init::zeros(), Decay::kNo);
}

NormResult Norm::forward(const Var& x, NormOptions options) const {
  const ModuleScope scope(*this);
  options.kind = kind_;
  options.bias = bias;
  options.eps = eps_;
  return norm(x, weight, options);
}

void Norm::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

Conv1d::Conv1d(int64_t C, int64_t width, bool with_bias)
    : weight({C, width}, Init::linear_uniform(width), Decay::kYes) {
  if (with_bias) bias = Parameter({C}, Init::linear_uniform(width), Decay::kNo);
}

Var Conv1d::forward(const Var& x, Conv1dOptions options) const {
  const ModuleScope scope(*this);
  options.bias = bias;
  return conv1d(x, weight, options);
}

void Conv1d::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

Var Dropout::forward(const Var& x, uint64_t seed, const StepState* state) const {
  if (p_ == 0 || state == nullptr) return x;
  const ModuleScope scope(*this);
  return dropout(x, p_, seed, stream_of(current_path()), state->step);
}

}  // namespace matmix::nn
