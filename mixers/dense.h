#pragma once

#include "mixers/block.h"

namespace matmix::mixers {

// A learned matrix, the same for every input. A run of L tokens uses its leading corner.
//
//   m m m m      m: M[h, i, j] / sqrt(max_len), M ~ Normal(0, 1) at first
//   m m m m
//   m m m m      explicit and fast L^2 P: a product.
//   m m m m
// Source: Tolstikhin et al. 2021 (arXiv 2105.01601), its linear part.
class Dense final : public Mixer {
 public:
  Dense(const BlockShape& shape, int64_t max_len);
  Traits traits() const override;
  std::vector<Stream> streams() const override { return {}; }
  void visit(nn::Visitor& v) override { v("M", M_); }

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams&, int64_t) const override { return std::nullopt; }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;
  Var corner(int64_t L) const;

  int64_t max_len_;
  double scale_;
  nn::Parameter M_;
};

}  // namespace matmix::mixers
