#include "nn/models/bert.h"

#include "nn/probe.h"
#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "ops/layout/layout.h"

namespace matmix::nn {
namespace {

/// A tenth of the tokens': behind the norm of their sum, places as loud as words drown them for the first million
/// tokens.
constexpr double kPositionStddev = 0.002;

}  // namespace

Bert::Bert(const BertOptions& o, const MixerFactory& make_mixer)
    : options_(o),
      embedding_(o.vocab_size, o.encoder.d_model),
      embedding_norm_(NormKind::kLayer, o.encoder.d_model, o.encoder.norm_eps),
      embedding_dropout_(o.embedding_dropout),
      encoder_(o.encoder, make_mixer),
      head_transform_(o.encoder.d_model, o.encoder.d_model, {.act = Activation::kGelu}),
      head_norm_(NormKind::kLayer, o.encoder.d_model, o.encoder.norm_eps),
      head_bias_({o.vocab_size}, Init::zeros(), Decay::kNo) {
  if (o.max_positions > 0)
    position_embedding_ = std::make_unique<Embedding>(o.max_positions, o.encoder.d_model, kPositionStddev);
}

Var Bert::encode(const Tensor& ids, const Runs& runs, const ForwardContext& context) const {
  Var x = embedding_.forward(ids);
  if (position_embedding_) {
    for (const Run& r : runs.all())
      require(r.length <= options_.max_positions, "bert", "sequences must have at most ", options_.max_positions,
              " tokens (max_positions), got ", r.length);
    x = add(x, position_embedding_->forward(runs.position(ids.device())));
  }
  const DType stream = embedding_norm_.weight.var().dtype();
  x = embedding_norm_.forward(x, {.out_dtype = stream}).y;
  x = probe("embedding", embedding_dropout_.forward(x, context.seed, context.state));
  return encoder_.forward(x, runs, embedding_.weight.var().dtype(), context);
}

Var Bert::logits(const Var& hidden, const Tensor& positions) const {
  const Var rows = embedding(reshape(hidden, {-1, hidden.dim(-1)}), positions);
  const Var transformed = head_norm_.forward(head_transform_.forward(rows)).y;
  return linear(transformed, embedding_.weight, {.bias = head_bias_});
}

void Bert::visit(Visitor& v) {
  v("embedding", embedding_);
  v("position_embedding", position_embedding_);
  v("embedding_norm", embedding_norm_);
  v("embedding_dropout", embedding_dropout_);
  v("encoder", encoder_);
  v("head.transform", head_transform_);
  v("head.norm", head_norm_);
  v("head.bias", head_bias_);
}

}  // namespace matmix::nn
