#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "mixers/streams.h"
#include "nn/module.h"

namespace matmix::mixers {

/// What a mixer promises of M when every stream is projected from the input. Each line is a law that tests verify.
struct Traits {
  static constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();
  std::string name;
  bool causal = false;            ///< M is lower triangular
  bool normalised = false;        ///< every row of M sums to 1
  bool sequence_aligned = false;  ///< M[:i+1, :i+1] is made of parameters of tokens <= i; of a normalised M up to what
                                  ///< its rows are divided by
  bool length_dependent = false;  ///< M changes with the length of its run, as only the reference's matrices do
  bool by_transforms = false;     ///< the fast form rounds to a share of its largest result, of any token
  int64_t max_len = kUnlimited;   ///< longest run that the class itself admits (dense, monarch)
  int64_t copies = 1;             ///< heads of the result per head of v (2 for concat)
  double accuracy = 0;            ///< relative error that the fast form may have in F64; 0: that of rounding
  /// Promised, tight bounds on the rank of blocks strictly below (M[k+1:, :k+1]) and strictly above the diagonal.
  std::optional<int64_t> rank_below = {}, rank_above = {};
  /// b, where rows j, j + b, .. and columns k b .. k b + b - 1 meet in blocks of rank 1 at most.
  std::optional<int64_t> monarch_block = {};
  std::string explicit_cost = {}, fast_cost = {};  ///< a head, forward: "L^2 P", "L P N"
};

/// A class of sequence matrices:  y = M v + r, per head.
/// M [B, copies*H, L, L] and r depend on the streams and on the mixer's own parameters (A_log, dt_bias, D, initial
/// states, a dense M), never on v: linearity is a law given the streams. r is the answer to initial states, zero for
/// all but recurrences that are given them. Every class has M twice: written out by its definition, and as a fast
/// product. The public functions check shapes and lengths; a class implements the private ones.
class Mixer : public nn::Module {
 public:
  virtual Traits traits() const = 0;
  /// Ordered by route: kConvAct, then kConv, kDirect, kFromValue.
  virtual std::vector<Stream> streams() const = 0;

  /// M [B, copies*H, L, L], by definition, differentiable; exactly 0 outside the runs.
  Var matrix(const Streams& c, const Runs& runs) const;
  /// r [B, L, copies*H, P] for v of P channels a head; zeros if there is none.
  Var offset(const Streams& c, const Runs& runs, const Var& v) const;
  /// M v + r [B, L, copies*H, P] by the fast algorithm; v [B, L, H, P]; exactly 0 at padding.
  Var mix(const Streams& c, const Var& v, const Runs& runs) const;
  /// M as matrix() has it, by the fast algorithm: what mix() makes of the unit vectors, P at a time, less r.
  Var matrix_by_mix(const Streams& c, const Runs& runs, int64_t H, int64_t P) const;

 protected:
  /// f(streams, v) -> [n, length, heads, P] for all runs of one length at once, length by length; the results laid out
  /// as [B, L, heads, P], 0 at padding. Right for every class, so every class pads and packs.
  using RunFunction = std::function<Var(const Streams&, const Var&)>;
  static Var by_runs(const Streams& c, const Var& v, const Runs& runs, const RunFunction& f);
  /// The product with the materialised M, for a class without a fast form.
  Var by_matrix(const Streams& c, const Var& v, const Runs& runs) const;

 private:
  void check(const Runs& runs) const;
  Tensor empty_result(const Var& v) const;

  /// M [n or 1, copies*H, L, L] of one run of L tokens (n runs of equal length at once).
  virtual Var do_matrix(const Streams& c, int64_t L) const = 0;
  /// r [n or 1, L, copies*H, P] of such runs.
  virtual std::optional<Var> do_offset(const Streams& c, int64_t L) const = 0;
  /// mix() on checked arguments: native runs, or by_runs(), or by_matrix().
  virtual Var do_mix(const Streams& c, const Var& v, const Runs& runs) const = 0;
};

}  // namespace matmix::mixers
