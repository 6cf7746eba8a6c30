#pragma once

#include <functional>
#include <memory>

#include "mixers/coefficients.h"
#include "mixers/mixer.h"
#include "nn/layers.h"
#include "nn/sequence_mixer.h"

namespace matmix::mixers {

/// What a mixer must know of its block.
struct BlockShape {
  int64_t D = 0;  ///< inner width, H * P
  int64_t H = 0;
  int64_t P = 0;
};
/// Makes the mixer once the block's widths are known.
using MixerMaker = std::function<std::unique_ptr<Mixer>(const BlockShape&)>;

enum class Gate { kNone, kAfterNorm, kBeforeNorm };

/// The parts around a mixer; the defaults are the paper's.
struct BlockOptions {
  int64_t d_model = 128;
  int64_t expand = 2;
  int64_t headdim = 32;    ///< P; must divide expand * d_model
  int64_t conv_width = 7;  ///< 0: no convolution; odd unless conv_causal
  bool conv_causal = false;
  bool conv_bias = true;
  Activation conv_act = Activation::kSilu;  ///< on v and kConvAct streams
  Gate gate = Gate::kAfterNorm;
  bool norm = true;  ///< RMS norm of the mixer's output
  double norm_eps = 1e-5;
  bool residual_v = false;       ///< adds v to M v, as the reference does for every class but quasiseparable
  bool multiply_copies = false;  ///< of a mixer with two copies of the heads: their product, not both side by side
  bool bias = false;             ///< of the in- and out-projection
  Source source = Projected{};
};

/// The block around any mixer:
///   [gate z | v, conv streams | direct streams] = in_proj(x);  v, streams = act(conv1d(.));
///   y = mixer(streams, v) (+ v);  y = norm(y) gated by silu(z);  out_proj(y).
/// With Quasiseparable inside it is Hydra. One in-projection, split by views; runs are respected by conv and mixer.
/// Source: Hwang et al. 2024, figure 3.
class MixerBlock final : public nn::SequenceMixer {
 public:
  MixerBlock(const BlockOptions& options, const MixerMaker& make_mixer);

  /// x [B, L, d_model]. Error if a run is longer than the mixer or its table admits.
  Var forward(const Var& x, const Runs& runs) const override;
  /// The mixer's M [B, copies*H, L, L] at x; without residual_v, norm and gate, which are the block's.
  std::optional<Var> matrix(const Var& x, const Runs& runs) const override;
  /// The same by the mixer's fast algorithm.
  Var matrix_by_mix(const Var& x, const Runs& runs) const;
  void visit(nn::Visitor& v) override;

  const Mixer& mixer() const { return *mixer_; }
  const BlockOptions& options() const { return options_; }
  /// The three facts, for this mixer with this source.
  bool data_dependent() const;
  bool sequence_aligned() const;
  bool extendable() const;

 private:
  struct Projection {
    Var z, v;  ///< z undefined without a gate; v [B, L, H, P]
    Streams streams;
  };
  Projection project(const Var& x, const Runs& runs) const;
  int64_t gate_width() const;
  /// Heads of the result per head of v, after multiply_copies.
  int64_t copies() const { return options_.multiply_copies ? 1 : mixer_->traits().copies; }

  BlockOptions options_;
  BlockShape shape_;
  std::unique_ptr<Mixer> mixer_;
  Coefficients coefficients_;
  nn::Linear in_proj_;
  std::unique_ptr<nn::Conv1d> conv_;
  std::unique_ptr<nn::Norm> norm_;
  nn::Linear out_proj_;
};

}  // namespace matmix::mixers
