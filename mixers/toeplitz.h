#pragma once

#include "mixers/block.h"

namespace matmix::mixers {

struct ToeplitzMixerOptions {
  int64_t scale_len = 512;  ///< taps are multiplied by 0.5 / sqrt(scale_len), whatever the length at hand
  bool causal = false;      ///< no taps above the diagonal, and no stream of them
  /// The reference's matrix, one tap off: f_{i-j+1} for i >= j - 1, r_{j-i-1} above, r_{L-1} in the lower left corner.
  /// It depends on the length of the run and knows of later tokens.
  bool reference_compat = false;
};

// A convolution as long as the sequence, a filter a head.
//
//   f0 r1 r2 r3      f: forward taps, r: reverse taps; r0 has no place and receives no gradient
//   f1 f0 r1 r2
//   f2 f1 f0 r1      explicit L^2 P, fast P L log L: ops/toeplitz.
//   f3 f2 f1 f0
// With projected taps the paper's; with generated ones (mixers/implicit_filter.h) the long convolutions of Hyena, TNN
// and CKConv. Their filters for every channel are heads of width 1. Source: Hwang et al. 2024 (arXiv 2407.09941), table
// 1; Poli et al. 2023 (arXiv 2302.10866).
class Toeplitz final : public Mixer {
 public:
  /// Error if a causal matrix is to be the reference's.
  Toeplitz(const BlockShape& shape, const ToeplitzMixerOptions& options);
  Traits traits() const override;
  std::vector<Stream> streams() const override;
  void visit(nn::Visitor&) override {}

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams&, int64_t) const override { return std::nullopt; }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;
  Var taps(const Streams& c, int64_t L) const;

  BlockShape shape_;
  ToeplitzMixerOptions options_;
  double scale_;
};

}  // namespace matmix::mixers
