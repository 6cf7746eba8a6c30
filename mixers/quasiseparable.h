#pragma once

#include "mixers/block.h"
#include "ops/quasiseparable/quasiseparable.h"

namespace matmix::mixers {

/// The diagonal of a quasiseparable M: none (0), one learned number, one a head, or one a head plus a linear map of the
/// token.
enum class Diagonal { kNone, kConstant, kPerHead, kProjected };

struct QuasiseparableMixerOptions {
  int64_t groups = 1;      ///< G: heads of one group share B and C
  int64_t state = 64;      ///< N
  bool shared_bc = false;  ///< both directions use the same B and C
  bool shift = true;
  Diagonal diagonal = Diagonal::kProjected;
  bool decay = true;            ///< false: A = 0
  bool step_stream = true;      ///< false: dt = softplus(dt_bias), the same for every token
  bool initial_states = false;  ///< learned states [H, P, N], shared by both directions
  int64_t Q = 64;               ///< chunk length
};

// Hydra's matrix: rank N below the diagonal from the forward parameters, rank N above it from the backward ones, and a
// free diagonal.
//
//   d b b b      d: delta = D + fc_D x       f: C_f[i-1]' A..A dt_f[j] B_f[j]      b: its mirror image
//   f d b b
//   f f d b      explicit L^2 (N + P), fast L (Q + N) P: ops/quasiseparable.
//   f f f d
// Source: Hwang et al. 2024 (arXiv 2407.09941), section 3.
class Quasiseparable final : public Mixer {
 public:
  /// Error if groups do not divide H.
  Quasiseparable(const BlockShape& shape, const QuasiseparableMixerOptions& options);
  Traits traits() const override;
  std::vector<Stream> streams() const override;
  void visit(nn::Visitor& v) override;

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams& c, int64_t L) const override;
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;
  QuasiseparableInputs inputs(const Streams& c, int64_t L) const;
  Var delta(const Streams& c, int64_t L) const;

  BlockShape shape_;
  QuasiseparableMixerOptions options_;
  nn::Parameter dt_bias_, A_log_, D_, initial_states_;
};

}  // namespace matmix::mixers
