#pragma once

#include "mixers/block.h"

namespace matmix::mixers {

struct LinformerOptions {
  int64_t qk_dim = 16;
  int64_t rank = 64;      ///< r, the projected length
  int64_t max_len = 512;  ///< of a run: E and F have a column for each position
};

// Attention to r learned mixtures of the tokens instead of to the tokens: E and F [r, max_len], shared by the heads,
// mix keys and values; M = softmax(q (E k)^T / sqrt(qk_dim)) F has rank r. A run of L tokens uses the first L columns.
//
//   m m m m      m: sum_r softmax_r(q_i . (E k)_r / sqrt(qk_dim)) F_rj; every row sees every key
//   m m m m
//   m m m m      explicit L^2 (r + P), fast L r (qk_dim + P): products.
//   m m m m
// Source: Wang et al. 2020 (arXiv 2006.04768), equation 7, with headwise sharing.
class Linformer final : public Mixer {
 public:
  Linformer(const BlockShape& shape, const LinformerOptions& options);
  Traits traits() const override;
  std::vector<Stream> streams() const override;
  void visit(nn::Visitor& v) override;

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams&, int64_t) const override { return std::nullopt; }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;
  Var weights(const Streams& c, int64_t L) const;
  Var product(const Streams& c, const Var& v) const;

  BlockShape shape_;
  LinformerOptions options_;
  nn::Parameter E_, F_;
};

}  // namespace matmix::mixers
