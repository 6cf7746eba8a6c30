#pragma once

#include "mixers/block.h"

namespace matmix::mixers {

// M = 1.  No streams, no parameters: what the convolution and the gate do alone, the baseline of every study.
//
//   1 . . .
//   . 1 . .      explicit L^2, fast 0: y is v.
//   . . 1 .
//   . . . 1
class Identity final : public Mixer {
 public:
  explicit Identity(const BlockShape& shape) : shape_(shape) {}
  Traits traits() const override;
  std::vector<Stream> streams() const override { return {}; }
  void visit(nn::Visitor&) override {}

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams&, int64_t) const override { return std::nullopt; }
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;

  BlockShape shape_;
};

}  // namespace matmix::mixers
