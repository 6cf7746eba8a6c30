#pragma once

#include "mixers/block.h"

namespace matmix::mixers {

struct MonarchMixerOptions {
  int64_t order = 2;      ///< factors; Monarch::finest_order(max_len) of them are a butterfly
  int64_t max_len = 512;  ///< fixes the sizes of the axes; M is divided by its root, whatever the length at hand
};

// A product of `order` sparse matrices. A token's number is written with one digit for each of n_1 x .. x n_p axes, the
// last digit the finest; factor a changes digit a alone, so it is block diagonal but for a permutation, and from column
// i to row j there is one way, digit by digit, the last digit first.
//
//   l00 r00  l00 r10  l01 r20  l01 r30      order 2, n = 2 x 2:  m_ji = l_j[i div 2] r_i[j mod 2] / sqrt(max_len)
//   l10 r01  l10 r11  l11 r21  l11 r31      Factor 2 (r): a token's own column of its block; all others (l) a row.
//   l20 r00  l20 r10  l21 r20  l21 r30
//   l30 r01  l30 r11  l31 r21  l31 r31      explicit p L^2 and L^2 P, fast L P (n_1 + .. + n_p).
//
// For order p, with t_a = (i_1 .. i_{a-1}, j_a .. j_p) the token where factor a leaves:
//   m_ji = factor_1[t_1][i_1] .. factor_{p-1}[t_{p-1}][i_{p-1}] factor_p[i][j_p] / sqrt(max_len)
// Axes are powers of two (but for the first, which is as long as max_len needs); a run of L tokens is one of n_1 .. n_p
// whose further tokens bring 0: for order 2 exactly a corner of M. Source: Dao et al. 2022 (arXiv 2204.00595),
// def. 3.1; Fu et al. 2023 (arXiv 2310.12109), any order; Dao et al. 2020 (arXiv 2012.14966), butterflies.
class Monarch final : public Mixer {
 public:
  Monarch(const BlockShape& shape, const MonarchMixerOptions& options);
  /// The order whose axes have two digits each: log2(max_len), rounded up; at least 2.
  static int64_t finest_order(int64_t max_len);
  Traits traits() const override;
  std::vector<Stream> streams() const override;
  void visit(nn::Visitor&) override {}

 private:
  struct Axes;
  Axes axes(int64_t L) const;
  Var factor(const Streams& c, const Axes& axes, size_t a) const;
  Var entries(const Streams& c, const Axes& axes, size_t a) const;
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams&, int64_t) const override { return std::nullopt; }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;
  Var product(const Streams& c, const Var& v) const;

  BlockShape shape_;
  MonarchMixerOptions options_;
  double scale_;
  std::vector<int64_t> sizes_;  ///< n_1 .. n_p
};

}  // namespace matmix::mixers
