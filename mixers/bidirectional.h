#pragma once

#include "mixers/block.h"

namespace matmix::mixers {

/// How two mixers of the same v become one: their sum, or their heads side by side.
enum class Join { kAdd, kConcat };

// Two mixers of one v, each with streams and parameters of its own: with a lower and an upper triangular one, the
// bidirectional heuristics. No flips: the second walks from right to left by itself.
//
//   f+b  b   b       add: M = L + U, both with the diagonal     concat: copies = 2, L for the first H heads of the
//    f  f+b  b                                                  result and U for the others
//    f   f  f+b      cost: the two one after the other.
// Source: Hwang et al. 2024 (arXiv 2407.09941), section 4.3 and table 3.
class Bidirectional final : public Mixer {
 public:
  Bidirectional(const BlockShape& shape, std::unique_ptr<Mixer> forward, std::unique_ptr<Mixer> backward, Join join);
  Traits traits() const override;
  /// Those of the first with "_f" behind their names, those of the second with "_b".
  std::vector<Stream> streams() const override;
  void visit(nn::Visitor& v) override;

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams& c, int64_t L) const override;
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;
  Var joined(const Var& forward, const Var& backward, int heads_axis) const;

  BlockShape shape_;
  std::unique_ptr<Mixer> forward_, backward_;
  Join join_;
};

enum class Combine { kAdd, kMultiply, kConcat };

/// The block around two mixers with one in-projection: their results summed, multiplied (quadratic in v, so a block
/// and no mixer) or side by side.
std::unique_ptr<MixerBlock> make_bidirectional_block(BlockOptions options, const MixerMaker& forward,
                                                     const MixerMaker& backward, Combine combine);

}  // namespace matmix::mixers
