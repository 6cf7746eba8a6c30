#pragma once

#include "mixers/block.h"
#include "ops/low_rank/low_rank.h"

namespace matmix::mixers {

/// What is done to q and k before their product: nothing, elu(x) + 1 as in the linear transformer, relu(x), exp(x)
/// (which overflows where x is large). The second and the last are positive, as a normaliser needs.
enum class FeatureMap { kNone, kEluPlusOne, kRelu, kExp };

struct LowRankMixerOptions {
  int64_t qk_dim = 16;      ///< E, the rank
  int64_t scale_len = 512;  ///< M is divided by sqrt(scale_len * qk_dim), whatever the length at hand
  FeatureMap features = FeatureMap::kNone;
  bool normalise = false;  ///< rows are divided by their sums instead
};

// Linear attention: rank E everywhere, the diagonal included.
//
//   m m m m      m: phi(q_i) . phi(k_j) / sqrt(scale_len E), or / the sum of its row
//   m m m m
//   m m m m      explicit L^2 (E + P), fast L E P: ops/low_rank.
//   m m m m
// Source: Katharopoulos et al. 2020 (arXiv 2006.16236); without map and normaliser Hwang et al. 2024, table 1.
class LowRank final : public Mixer {
 public:
  /// Error if a normaliser is asked for without a positive map.
  LowRank(const BlockShape& shape, const LowRankMixerOptions& options);
  Traits traits() const override;
  std::vector<Stream> streams() const override;
  void visit(nn::Visitor&) override {}

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams&, int64_t) const override { return std::nullopt; }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;
  Var features(const Var& x) const;
  LowRankOptions op_options() const;

  BlockShape shape_;
  LowRankMixerOptions options_;
};

}  // namespace matmix::mixers
