#pragma once

#include "mixers/block.h"
#include "ops/vandermonde/vandermonde.h"

namespace matmix::mixers {

struct VandermondeMixerOptions {
  int64_t qk_dim = 16;      ///< E: pairs of matrices that are summed
  int64_t scale_len = 512;  ///< M is divided by sqrt(2 scale_len E), whatever the length at hand
  double eps = 1e-3;        ///< turns a token and unit of q and k
  double accuracy = 0;      ///< of the fast form: that of ops/vandermonde
  /// The reference's matrix for tables, which mixes nothing: diagonal, of the row sums of the cosines added.
  bool reference_compat = false;
};

// Sums of real Vandermonde matrices: cosines of the tokens' frequencies at the places of the others.
//
//   m m m m      m: sum_d (cos(2 pi eps q_id j) - cos(2 pi eps k_jd i)) / sqrt(2 scale_len E)
//   m m m m
//   m m m m      explicit L^2 (E + P), fast L (log L + E) P: ops/vandermonde.
//   m m m m
// Frequencies of 0 are a point where no gradient leads on; tables start from Normal(0, 1), as projected ones do about.
// Source: Hwang et al. 2024 (arXiv 2407.09941), table 1.
class Vandermonde final : public Mixer {
 public:
  Vandermonde(const BlockShape& shape, const VandermondeMixerOptions& options);
  Traits traits() const override;
  std::vector<Stream> streams() const override;
  void visit(nn::Visitor&) override {}

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams&, int64_t) const override { return std::nullopt; }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;
  Var product(const Streams& c, const Var& v) const;

  BlockShape shape_;
  VandermondeMixerOptions options_;
  VandermondeOptions op_;
};

}  // namespace matmix::mixers
