#pragma once

#include "nn/models/encoder.h"

namespace matmix::nn {

struct BertOptions {
  int64_t vocab_size = 0;
  /// Learned absolute positions up to this length are added to the embeddings, small at first; 0: none (the convolution
  /// and the mixer know the order). Attention without a convolution needs them.
  int64_t max_positions = 0;
  double embedding_dropout = 0;
  EncoderOptions encoder;
};

/// Bidirectional language model for masked words: token (and position) embeddings, layer norm, encoder, and a head
/// gelu(linear) -> layer norm -> logits by the tied embedding table plus a bias. The defaults of the 112M Hydra of
/// Hwang et al. 2024: no positions, norm after the embeddings and at the end.
class Bert final : public Module {
 public:
  Bert(const BertOptions& options, const MixerFactory& make_mixer);

  /// Hidden states [B, L, d_model] of token ids (I64 or I32 [B, L]).
  Var encode(const Tensor& ids, const Runs& runs, const ForwardContext& context = {}) const;
  /// Logits [K, vocab_size] at the flat positions (I64 [K], b * L + i) of hidden states: the head runs on targets only.
  Var logits(const Var& hidden, const Tensor& positions) const;
  void visit(Visitor& v) override;

  const Encoder& encoder() const { return encoder_; }
  const BertOptions& options() const { return options_; }

 private:
  BertOptions options_;
  Embedding embedding_;
  std::unique_ptr<Embedding> position_embedding_;
  Norm embedding_norm_;
  Dropout embedding_dropout_;
  Encoder encoder_;
  Linear head_transform_;
  Norm head_norm_;
  Parameter head_bias_;
};

}  // namespace matmix::nn
