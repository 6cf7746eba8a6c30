#pragma once

#include <cmath>

#include "mixers/recurrence.h"
#include "mixers/registry.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/reduce/reduce.h"
#include "ops/scan/scan.h"
#include "tensor/create.h"
#include "tensor/tolerance.h"

namespace matmix::testing {

/// What is wrong with a Toy.
enum class Flaw {
  kNone,
  kOffByOne,          ///< the fast form reads the neighbour's k
  kDropsGradient,     ///< the fast form forgets that q is learned
  kDropsParameter,    ///< the fast form forgets that w is learned
  kIgnoresParameter,  ///< neither form reads w
  kErrs,              ///< the fast form is wrong by 25 half units in the last place
  kRoundsState,       ///< the fast form rounds its state to BF16 after every token
  kLeaks,             ///< M is not zero above the diagonal
  kFastLeaks,         ///< the fast form sees the future
  kHidesCausal,       ///< does not promise that M is causal
  kReadsPadding,      ///< the fast form takes rows for runs, but leaves padding at 0
  kWritesPadding,     ///< the fast form leaves something at padding
  kCarriesOver,       ///< the fast form does not reset its state where a run begins behind another
  kForgets,           ///< the fast form over a piece of a run does not begin at the state that it is given
  kStepsTwice,        ///< one token at a time, the state is added to itself
  kAffine,            ///< both forms add a constant that is no offset
  kScalesByLength,    ///< both forms divide by the root of the length at hand
  kNormalisesByAll,   ///< both forms divide by a sum over all tokens, later ones too
  kIgnoresStreams,    ///< M does not depend on the streams
  kSaysAligned,       ///< promises alignment, but every column knows the last token
  kHidesAligned,
  kSaysNormalised,  ///< promises rows that sum to 1
  kRefusesLong,     ///< both forms refuse lengths that they promise to take
  kSaysRankTwo,
  kSaysRankZero,  ///< promises 0 below the diagonal
  kSaysMonarch,   ///< promises blocks of rank 1, two columns wide
  kSaysLengthDependent,
  kChangesOrder,  ///< the fast form sums in another order every other time, as atomics do
  kDiffersOnCuda,
  kDecaysVector,  ///< w shrinks in training
  kStartsHuge     ///< w starts at 1e4
};

// M_ij = w q_i k_j for i >= j: one head of rank one each, the smallest causal mixer with everything in it.
class Toy final : public mixers::Mixer, public mixers::Recurrence {
 public:
  Toy(const mixers::BlockShape& shape, int64_t max_len, Flaw flaw)
      : shape_(shape),
        max_len_(max_len),
        flaw_(flaw),
        w_({shape.H}, nn::Init::constant(flaw == Flaw::kStartsHuge ? 1e4 : 1),
           flaw == Flaw::kDecaysVector ? nn::Decay::kYes : nn::Decay::kNo) {}

  mixers::Traits traits() const override {
    mixers::Traits t;
    t.name = "toy";
    t.causal = flaw_ != Flaw::kHidesCausal && flaw_ != Flaw::kSaysAligned;
    t.normalised = flaw_ == Flaw::kSaysNormalised;
    t.sequence_aligned = flaw_ != Flaw::kHidesAligned;
    t.rank_below = flaw_ == Flaw::kSaysRankTwo ? 2 : flaw_ == Flaw::kSaysRankZero ? 0 : 1;
    if (t.causal && flaw_ != Flaw::kLeaks) t.rank_above = 0;
    t.length_dependent = flaw_ == Flaw::kSaysLengthDependent;
    t.monarch_block = flaw_ == Flaw::kSaysMonarch ? 2 : 1;
    return t;
  }
  std::vector<mixers::Stream> streams() const override { return {{"q", {shape_.H}}, {"k", {shape_.H}}}; }
  void visit(nn::Visitor& v) override { v("w", w_); }
  Carried carry(const mixers::Streams& c, const Var& v, const Var& state) const override {
    return next(c, v, flaw_ == Flaw::kForgets ? Var() : state);
  }
  Carried step(const mixers::Streams& c, const Var& v, const Var& state) const override {
    return next(c, v, flaw_ == Flaw::kStepsTwice && state.defined() ? state + state : state);
  }

 private:
  static Var one_like(const Var& x) { return full(x.shape(), 1, x.dtype(), x.device()); }

  Var w(bool fast) const {
    if (flaw_ == Flaw::kIgnoresParameter) return one_like(w_);
    return flaw_ == Flaw::kDropsParameter && fast ? w_.var().detach() : w_.var();
  }

  /// What both forms multiply q by, as [n or 1, 1 or L, 1 or H].
  Var common(const mixers::Streams& c, int64_t L) const {
    require(flaw_ != Flaw::kRefusesLong || L <= max_len_, "toy", "too long");
    const double scale = flaw_ == Flaw::kScalesByLength && L > 0 ? 1 / std::sqrt(L) : 1;
    const Var ones = full({1, 1, 1}, scale, c.dtype(), c.device());
    return flaw_ == Flaw::kNormalisesByAll && L > 0 ? ones / affine(sum(square(c["k"]), {1}, true), 1, 1) : ones;
  }
  Var q_of(const mixers::Streams& c, int64_t L) const {
    return (flaw_ == Flaw::kIgnoresStreams ? one_like(c["q"]) : c["q"]) * common(c, L);
  }
  Var k_of(const mixers::Streams& c) const { return flaw_ == Flaw::kIgnoresStreams ? one_like(c["k"]) : c["k"]; }

  Var do_matrix(const mixers::Streams& c, int64_t L) const override {
    const Var q = cast(permute(q_of(c, L) * w(false), {0, 2, 1}), c.dtype());
    Var k = permute(k_of(c), {0, 2, 1});
    if (flaw_ == Flaw::kSaysAligned && L > 0) k = k * affine(narrow(k, 2, L - 1, 1), 1, 2) + permute(c["q"], {0, 2, 1});
    const Var all = unsqueeze(q, 3) * unsqueeze(k, 2);
    if (flaw_ == Flaw::kLeaks || flaw_ == Flaw::kSaysAligned) return all;
    return all * exp(segsum(zeros({1, 1, L}, c.dtype(), c.device())));
  }
  std::optional<Var> do_offset(const mixers::Streams&, int64_t) const override { return std::nullopt; }

  Carried next(const mixers::Streams& c, const Var& v, const Var& state) const {
    Var sums = cumsum(unsqueeze(k_of(c), 3) * v, 1);
    if (state.defined()) sums = sums + state;
    const Var q = unsqueeze(q_of(c, v.dim(1)), 3);
    return {cast(reshape(w(false), {shape_.H, 1}) * q * sums, v.dtype()), narrow(sums, 1, v.dim(1) - 1, 1)};
  }

  static Var rounded_sums(const Var& x) {
    std::vector<Var> sums{narrow(x, 1, 0, 0)};
    for (int64_t i = 0; i < x.dim(1); ++i) {
      const Var token = narrow(x, 1, i, 1);
      sums.push_back(cast(cast(i > 0 ? sums.back() + token : token, DType::BF16), x.dtype()));
    }
    return concat(sums, 1);
  }

  Var fast(const mixers::Streams& c, const Var& v) const {
    const Var read = q_of(c, v.dim(1));
    const Var q = unsqueeze(flaw_ == Flaw::kDropsGradient ? read.detach() : read, 3);
    const Var k = unsqueeze(flaw_ == Flaw::kOffByOne ? shift(k_of(c), 1, 1) : k_of(c), 3);
    Var state = flaw_ == Flaw::kRoundsState ? rounded_sums(k * v) : cumsum(k * v, 1);
    if (flaw_ == Flaw::kFastLeaks) state = state + affine(flip(v, 1), 1e-3);
    Var y = cast(reshape(w(true), {shape_.H, 1}) * q * state, v.dtype());
    if (flaw_ == Flaw::kChangesOrder && calls_ % 2 == 1)
      y = cast(q * state, v.dtype()) * reshape(w(true), {shape_.H, 1});
    if (flaw_ == Flaw::kErrs) y = affine(y, 1 + 12.5 * epsilon(y.dtype()));
    if (flaw_ == Flaw::kDiffersOnCuda && v.device().is_cuda()) y = affine(y, 1.1);
    return flaw_ == Flaw::kAffine ? affine(square(v), 0.5) + y : y;
  }

  Var do_mix(const mixers::Streams& c, const Var& v, const Runs& runs) const override {
    ++calls_;
    if (flaw_ == Flaw::kLeaks || flaw_ == Flaw::kSaysAligned) return by_matrix(c, v, runs);
    if (flaw_ == Flaw::kReadsPadding && !runs.is_full()) return fast(c.by_token(runs), v) * Var(mask(runs, v, 0));
    const auto f = [this](const mixers::Streams& cut, const Var& part) { return fast(cut, part); };
    if (flaw_ == Flaw::kCarriesOver) return by_runs(c.by_token(runs), v, joined(runs), f);
    const Var y = by_runs(c, v, runs, f);
    return flaw_ == Flaw::kWritesPadding ? y + Var(mask(runs, v, 1)) : y;
  }

  /// 1 - padding at tokens of runs, `padding` elsewhere, as [B, L, 1, 1].
  static Tensor mask(const Runs& runs, const Var& v, double padding) {
    const Tensor x = full({runs.B(), runs.L(), 1, 1}, padding, v.dtype(), v.device());
    for (const Run& r : runs.all()) fill(x.narrow(0, r.row, 1).narrow(1, r.start, r.length), 1 - padding);
    return x;
  }
  /// All runs of a row as one, gaps included.
  static Runs joined(const Runs& runs) {
    std::vector<Run> rows;
    for (const Run& r : runs.all()) {
      if (rows.empty() || rows.back().row != r.row) rows.push_back(r);
      rows.back().length = r.start + r.length - rows.back().start;
    }
    return Runs::of(runs.B(), runs.L(), rows);
  }

  mixers::BlockShape shape_;
  int64_t max_len_;
  Flaw flaw_;
  nn::Parameter w_;
  mutable int calls_ = 0;
};

inline mixers::MixerRow toy(Flaw flaw) {
  return {"toy", "a test", [flaw](const mixers::BlockShape& shape, const mixers::MixerSizes& sizes) {
            return std::make_unique<Toy>(shape, sizes.max_len, flaw);
          }};
}

}  // namespace matmix::testing
