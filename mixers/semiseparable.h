#pragma once

#include "mixers/quasiseparable.h"
#include "mixers/recurrence.h"
#include "ops/ssd/ssd.h"

namespace matmix::mixers {

/// What A is: one number a head (Mamba-2), one for each state (Mamba), or complex ones, two states each (S4D).
enum class StateDecay { kScalar, kDiagonal, kComplex };

struct SemiseparableMixerOptions {
  int64_t groups = 1;  ///< G: heads of one group share B and C
  int64_t state = 64;  ///< N; even if A is complex
  StateDecay decay = StateDecay::kScalar;
  bool bc_stream = true;    ///< false: B and C are learned, the same for every token
  bool step_stream = true;  ///< false: dt = softplus(dt_bias), the same for every token; with both off M is Toeplitz
  Diagonal diagonal = Diagonal::kPerHead;  ///< a skip from v, added to M's diagonal
  bool initial_states = false;             ///< learned states [H, P, N]
  bool reverse = false;                    ///< upper triangular: the same from right to left
  int64_t Q = 64;                          ///< chunk length
};

// A recurrence with N states: rank N below the diagonal and nothing above it.
//
//   s . . .      s: C_i' A_i..A_{j+1} B_j dt_j, and D on the diagonal; A_i = exp(dt_i A)
//   s s . .
//   s s s .      explicit L^2 (N + P), fast L (Q + N) P: ops/ssd.
//   s s s s
// Sources: Dao & Gu 2024 (arXiv 2405.21060), Gu & Dao 2023 (2312.00752), Gu et al. 2022 (2206.11893).
class Semiseparable final : public Mixer, public Recurrence {
 public:
  /// Error if groups do not divide H, or A is complex and N odd.
  Semiseparable(const BlockShape& shape, const SemiseparableMixerOptions& options);
  Traits traits() const override;
  std::vector<Stream> streams() const override;
  void visit(nn::Visitor& v) override;
  /// States [B, H, P, N] in Accumulator<T>. Error if `reverse`.
  Carried carry(const Streams& c, const Var& v, const Var& state) const override;
  Carried step(const Streams& c, const Var& v, const Var& state) const override;

 private:
  Var do_matrix(const Streams& c, int64_t L) const override;
  std::optional<Var> do_offset(const Streams& c, int64_t L) const override;
  Var do_mix(const Streams& c, const Var& v, const Runs& runs) const override;
  SsdInputs inputs(const Streams& c, int64_t L) const;
  void declare_A();
  const char* name() const;
  SsdInputs next_tokens(const Streams& c, const Var& v) const;

  BlockShape shape_;
  SemiseparableMixerOptions options_;
  nn::Parameter dt_bias_, A_log_, A_im_, B_, C_, D_, initial_states_;
};

}  // namespace matmix::mixers
