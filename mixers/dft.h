#pragma once

#include "mixers/block.h"

namespace matmix::mixers {

// The real part of the Fourier transform of max_len tokens; further tokens see the matrix repeated. No streams, no
// parameters. The cosine is even, so rank is at most max_len / 2 + 1.
//
//   1 1 1 1      cos(2 pi i j / max_len) / sqrt(max_len), here for max_len = 4
//   1 . - .
//   1 - 1 -      explicit L^2 P, fast P n log n, n = max_len: ops/fft.
//   1 . - .
// Source: Lee-Thorp et al. 2021 (arXiv 2105.03824), along the sequence alone.
class Dft final : public Mixer {
 public:
  Dft(const BlockShape& shape, int64_t max_len);
  Traits traits() const override;
  std::vector<Stream> streams() const override { return {}; }
  void visit(nn::Visitor&) override {}

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams&, int64_t) const override { return std::nullopt; }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;

  BlockShape shape_;
  int64_t max_len_;
  double scale_;
};

}  // namespace matmix::mixers
