#include "nn/models/encoder.h"

#include "nn/probe.h"
#include "ops/elementwise/elementwise.h"

namespace matmix::nn {

struct Encoder::Layer final : Module {
  Layer(const EncoderOptions& o, std::unique_ptr<SequenceMixer> m)
      : norm(o.norm, o.d_model, o.norm_eps), mixer(std::move(m)), dropout(o.dropout) {
    if (o.mlp_width == 0) return;
    mlp_norm = std::make_unique<Norm>(o.norm, o.d_model, o.norm_eps);
    mlp = std::make_unique<Mlp>(o.d_model, o.mlp_width, o.mlp);
    mlp_dropout = std::make_unique<Dropout>(o.dropout);
  }
  void visit(Visitor& v) override {
    v("norm", norm);
    v("mixer", *mixer);
    v("dropout", dropout);
    v("mlp_norm", mlp_norm);
    v("mlp", mlp);
    v("mlp_dropout", mlp_dropout);
  }

  Norm norm;
  std::unique_ptr<SequenceMixer> mixer;
  Dropout dropout;
  std::unique_ptr<Norm> mlp_norm;
  std::unique_ptr<Mlp> mlp;
  std::unique_ptr<Dropout> mlp_dropout;
};

namespace {

/// The residual stream between blocks: what was last added waits to be summed by the next norm, in the same pass.
struct Stream {
  Var residual, pending;

  Var normed(const Norm& norm, DType out) {
    NormOptions options{.out_dtype = out};
    if (!pending.defined()) return norm.forward(residual, options).y;
    options.residual = residual;
    const NormResult result = norm.forward(pending, options);
    residual = probe("residual", result.residual);
    return result.y;
  }
};

}  // namespace

Encoder::Encoder(const EncoderOptions& options, const MixerFactory& make_mixer)
    : options_(options), final_norm_(options.norm, options.d_model, options.norm_eps) {
  require(options.layers >= 0 && options.d_model > 0, "encoder", "needs layers >= 0 and d_model > 0, got ",
          options.layers, " and ", options.d_model);
  for (int64_t i = 0; i < options.layers; ++i) layers_.push_back(std::make_unique<Layer>(options, make_mixer(i)));
}

Encoder::~Encoder() = default;

Var Encoder::forward(const Var& x, const Runs& runs, DType out, const ForwardContext& context) const {
  const ModuleScope scope(*this);
  Stream stream{zero_padding(x, runs), {}};
  for (const auto& layer : layers_) {
    const ModuleScope layer_scope(*layer);
    const Var normed = probe("mixer_input", stream.normed(layer->norm, out));
    const Var mixed = layer->mixer->forward(normed, runs);
    stream.pending = layer->dropout.forward(mixed, context.seed, context.state);
    if (!layer->mlp) continue;
    const Var widened = layer->mlp->forward(stream.normed(*layer->mlp_norm, out));
    stream.pending = layer->mlp_dropout->forward(widened, context.seed, context.state);
  }
  return stream.normed(final_norm_, out);
}

void Encoder::visit(Visitor& v) {
  v("layers", layers_);
  v("final_norm", final_norm_);
}

const SequenceMixer& Encoder::mixer(int64_t layer) const {
  require(layer >= 0 && layer < layers(), "encoder", "layer must be in [0, ", layers(), "), got ", layer);
  return *layers_[static_cast<size_t>(layer)]->mixer;
}

}  // namespace matmix::nn
