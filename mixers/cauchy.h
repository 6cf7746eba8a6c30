#pragma once

#include "mixers/block.h"
#include "ops/cauchy/cauchy.h"

namespace matmix::mixers {

struct CauchyMixerOptions {
  int64_t qk_dim = 16;       ///< E: Cauchy matrices that are summed
  int64_t scale_len = 512;   ///< M is divided by sqrt(scale_len E), whatever the length at hand
  bool learned_bias = true;  ///< |bias| is added to e^q and e^k: 0.5 at first
  double accuracy = 0;       ///< of the fast form: that of ops/cauchy
};

// Sums of Cauchy matrices of positive numbers.
//
//   m m m m      m: sum_d 1 / (a_id + b_jd + 1e-8) / sqrt(scale_len E),  a = e^q + |bias|, b = e^k + |bias|
//   m m m m
//   m m m m      explicit L^2 (E + P), fast L E P log(1 / accuracy) log(range): ops/cauchy.
//   m m m m
// The reference adds a bias without a sign, which may drift to where e^q + bias has zeros; it has none for tables.
// Source: Hwang et al. 2024 (arXiv 2407.09941), table 1.
class Cauchy final : public Mixer {
 public:
  Cauchy(const BlockShape& shape, const CauchyMixerOptions& options);
  Traits traits() const override;
  std::vector<Stream> streams() const override;
  void visit(nn::Visitor& v) override { v("bias", bias_); }

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams&, int64_t) const override { return std::nullopt; }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;
  Var bias() const { return bias_.defined() ? bias_.var() : Var(); }

  BlockShape shape_;
  CauchyMixerOptions options_;
  CauchyOptions op_;
  nn::Parameter bias_;
};

}  // namespace matmix::mixers
