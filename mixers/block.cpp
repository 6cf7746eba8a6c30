#include "mixers/block.h"

#include "nn/probe.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"

namespace matmix::mixers {
namespace {

BlockShape shape_of(const BlockOptions& o) {
  const int64_t D = o.expand * o.d_model;
  require(o.d_model > 0 && o.expand > 0 && o.headdim > 0, "block", "d_model, expand and headdim must be positive, got ",
          o.d_model, ", ", o.expand, ", ", o.headdim);
  require(D % o.headdim == 0, "block", "headdim must divide expand * d_model = ", D, ", got ", o.headdim);
  return {.D = D, .H = D / o.headdim, .P = o.headdim};
}

}  // namespace

MixerBlock::MixerBlock(const BlockOptions& o, const MixerMaker& make_mixer)
    : options_(o),
      shape_(shape_of(o)),
      mixer_(make_mixer(shape_)),
      coefficients_(mixer_->streams(), o.source, shape_.D),
      in_proj_(o.d_model, gate_width() + shape_.D + coefficients_.conv_width() + coefficients_.direct_width(),
               {.bias = o.bias}),
      out_proj_(shape_.D * copies(), o.d_model, {.bias = o.bias}) {
  const int64_t found = mixer_->traits().copies;
  require(!o.multiply_copies || found == 2, "block", "multiply_copies needs a mixer with two copies of the heads, got ",
          found);
  require(!o.residual_v || copies() == 1, "block", "residual_v needs a mixer with one copy of the heads, got ",
          copies());
  require(o.norm || o.gate == Gate::kNone, "block", "a gate needs the norm that applies it; set norm or gate none");
  require(o.gate == Gate::kNone || copies() == 1, "block", "a gate needs a mixer with one copy of the heads, got ",
          copies());
  require(o.conv_width >= 0 && (o.conv_causal || o.conv_width == 0 || o.conv_width % 2 == 1), "block",
          "conv_width must be 0 or odd, or positive if conv_causal, got ", o.conv_width);
  if (o.conv_width > 0)
    conv_ = std::make_unique<nn::Conv1d>(shape_.D + coefficients_.conv_width(), o.conv_width, o.conv_bias);
  if (o.norm) norm_ = std::make_unique<nn::Norm>(NormKind::kRms, shape_.D * copies(), o.norm_eps);
}

int64_t MixerBlock::gate_width() const { return options_.gate == Gate::kNone ? 0 : shape_.D; }

MixerBlock::Projection MixerBlock::project(const Var& x, const Runs& runs) const {
  require(x.rank() == 3 && x.dim(0) == runs.B() && x.dim(1) == runs.L() && x.dim(2) == options_.d_model, "block",
          "x must be [", runs.B(), ", ", runs.L(), ", ", options_.d_model, "], got ", x);
  const int64_t conv_width = shape_.D + coefficients_.conv_width();
  const std::vector<Var> parts =
      split(in_proj_.forward(zero_padding(x, runs)), {gate_width(), conv_width, coefficients_.direct_width()}, -1);
  const int64_t acted = shape_.D + coefficients_.act_width();
  Var mixed = parts[1];
  if (conv_) {
    Conv1dOptions conv{.act = options_.conv_act, .act_channels = acted, .causal = options_.conv_causal};
    if (!runs.is_full()) conv.runs = runs;
    mixed = conv_->forward(mixed, conv);
  } else if (options_.conv_act != Activation::kNone) {
    const std::vector<Var> pieces = split(mixed, {acted, conv_width - acted}, -1);
    mixed = concat({activate(pieces[0], options_.conv_act), pieces[1]}, -1);
  }
  const std::vector<Var> pieces = split(mixed, {shape_.D, coefficients_.conv_width()}, -1);
  const Var v = nn::probe("v", pieces[0]);
  return {.z = gate_width() > 0 ? parts[0] : Var(),
          .v = reshape(v, {x.dim(0), x.dim(1), shape_.H, shape_.P}),
          .streams = coefficients_(pieces[1], parts[2], v, runs)};
}

Var MixerBlock::forward(const Var& x, const Runs& runs) const {
  const nn::ModuleScope scope(*this);
  const Projection in = project(x, runs);
  Var y;
  {
    const nn::ModuleScope mixer_scope(*mixer_);
    y = mixer_->mix(in.streams, in.v, runs);
  }
  if (options_.multiply_copies) {
    const std::vector<Var> both = split(y, {shape_.H, shape_.H}, 2);
    y = both[0] * both[1];
  }
  if (options_.residual_v) y = y + in.v;
  y = nn::probe("mixed", reshape(y, {y.dim(0), y.dim(1), y.dim(2) * y.dim(3)}));
  if (norm_) {
    const GateOrder order = options_.gate == Gate::kBeforeNorm ? GateOrder::kBeforeNorm : GateOrder::kAfterNorm;
    y = norm_->forward(y, {.gate = in.z, .order = order}).y;
  }
  return out_proj_.forward(y);
}

std::optional<Var> MixerBlock::matrix(const Var& x, const Runs& runs) const {
  const nn::ModuleScope scope(*this);
  return mixer_->matrix(project(x, runs).streams, runs);
}

Var MixerBlock::matrix_by_mix(const Var& x, const Runs& runs) const {
  const nn::ModuleScope scope(*this);
  return mixer_->matrix_by_mix(project(x, runs).streams, runs, shape_.H, shape_.P);
}

void MixerBlock::visit(nn::Visitor& v) {
  v("in_proj", in_proj_);
  v("conv1d", conv_);
  v("coefficients", coefficients_);
  v("mixer", *mixer_);
  v("norm", norm_);
  v("out_proj", out_proj_);
}

bool MixerBlock::data_dependent() const { return coefficients_.depend_on_input(); }
bool MixerBlock::sequence_aligned() const {
  return data_dependent() && coefficients_.projected() && mixer_->traits().sequence_aligned;
}
bool MixerBlock::extendable() const {
  return std::min(mixer_->traits().max_len, coefficients_.max_len()) == Traits::kUnlimited;
}

}  // namespace matmix::mixers
