#pragma once

#include <functional>
#include <memory>

#include "nn/layers.h"
#include "nn/sequence_mixer.h"

namespace matmix::nn {

/// What one forward pass may depend on besides its input: null state means evaluation (no dropout).
struct ForwardContext {
  uint64_t seed = 0;
  const StepState* state = nullptr;
};

/// Makes the mixer of layer i.
using MixerFactory = std::function<std::unique_ptr<SequenceMixer>(int64_t layer)>;

struct EncoderOptions {
  int64_t d_model = 128;
  int64_t layers = 4;
  NormKind norm = NormKind::kLayer;
  double norm_eps = 1e-5;
  int64_t mlp_width = 0;  ///< of an MLP after each mixer (BERT: 4 d_model); 0: none (Hydra)
  Mlp::Options mlp = {};  ///< GELU, not gated, with biases
  double dropout = 0;     ///< after each mixer and MLP
};

/// Pre-norm residual blocks on an F32 residual stream (F64 in f64 mode):  r = r + mixer(norm(r)); with an MLP
/// r = r + mlp(norm(r)); at the end norm(r). Sum and norm are one pass each.
class Encoder final : public Module {
 public:
  Encoder(const EncoderOptions& options, const MixerFactory& make_mixer);

  /// x [B, L, d_model] in the master dtype, the first value of the residual stream. Returns [B, L, d_model] in
  /// activation dtype `out`.
  Var forward(const Var& x, const Runs& runs, DType out, const ForwardContext& context) const;
  void visit(Visitor& v) override;

  const SequenceMixer& mixer(int64_t layer) const;
  int64_t layers() const { return static_cast<int64_t>(layers_.size()); }

 private:
  struct Layer;
  EncoderOptions options_;
  std::vector<std::unique_ptr<Layer>> layers_;
  Norm final_norm_;

 public:
  ~Encoder() override;
};

}  // namespace matmix::nn
