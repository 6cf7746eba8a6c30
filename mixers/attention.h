#pragma once

#include "mixers/block.h"

namespace matmix::mixers {

struct AttentionMixerOptions {
  int64_t qk_dim = 16;  ///< E
  bool causal = false;
};

// Softmax attention. Every row sums to 1; no structure but that.
//
//   m m m m      m: exp(q_i . k_j / sqrt(E)) / the sum of its row
//   m m m m
//   m m m m      explicit L^2 (E + P), fast L^2 (E + P) in O(L) memory: ops/attention.
//   m m m m
// Only v is activated: q and k come from the convolution as they are. Source: Vaswani et al. 2017 (arXiv 1706.03762).
class Attention final : public Mixer {
 public:
  Attention(const BlockShape& shape, const AttentionMixerOptions& options);
  Traits traits() const override;
  std::vector<Stream> streams() const override;
  void visit(nn::Visitor&) override {}

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams&, int64_t) const override { return std::nullopt; }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;

  BlockShape shape_;
  AttentionMixerOptions options_;
};

}  // namespace matmix::mixers
