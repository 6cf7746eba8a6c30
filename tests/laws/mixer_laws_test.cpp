// Every law for every mixer; and mixers that break one law each, to see that the laws can tell.
#include <doctest/doctest.h>

#include <algorithm>

#include "experiments/laws/laws.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/scan/scan.h"
#include "tensor/create.h"
#include "tests/support/devices.h"

using namespace matmix;
using namespace matmix::experiments;

namespace {

/// What is wrong with a Toy.
enum class Flaw {
  kNone,
  kOffByOne,       ///< the fast form reads the neighbour's k
  kDropsGradient,  ///< the fast form forgets that q is learned
  kDropsBias,      ///< neither form reads the parameter
  kLeaks,          ///< M is not zero above the diagonal
  kFastLeaks,      ///< the fast form sees the future
  kReadsPadding,   ///< the fast form takes rows for runs, but leaves padding at 0
  kAffine,         ///< both forms add a constant that is no offset
  kSaysAligned,    ///< promises what the leak breaks
  kSaysRankTwo,
  kSaysRankZero,  ///< promises 0 below the diagonal
  kSaysShort      ///< promises a length that it does not refuse
};

// M_ij = w q_i k_j for i >= j: one head of rank one each, the smallest causal mixer with everything in it.
class Toy final : public mixers::Mixer {
 public:
  Toy(const mixers::BlockShape& shape, Flaw flaw)
      : shape_(shape), flaw_(flaw), w_({shape.H}, nn::Init::ones(), nn::Decay::kNo) {}

  mixers::Traits traits() const override {
    mixers::Traits t;
    t.name = "toy";
    t.causal = t.sequence_aligned = true;
    t.rank_below = 1;
    t.rank_above = 0;
    if (flaw_ == Flaw::kSaysRankTwo) t.rank_below = 2;
    if (flaw_ == Flaw::kSaysRankZero) t.rank_below = 0;
    if (flaw_ == Flaw::kLeaks) t.rank_above = {};
    if (flaw_ == Flaw::kSaysAligned) t.causal = false, t.rank_above = {};
    return t;
  }
  std::vector<mixers::Stream> streams() const override { return {{"q", {shape_.H}}, {"k", {shape_.H}}}; }
  void visit(nn::Visitor& v) override { v("w", w_); }

 private:
  Var scale() const {
    return flaw_ == Flaw::kDropsBias ? Var(full({shape_.H}, 1, w_.master().dtype(), w_.master().device())) : w_.var();
  }

  Var do_matrix(const mixers::Streams& c, int64_t L) const override {
    const Var q = cast(permute(c["q"] * scale(), {0, 2, 1}), c.dtype());
    Var k = permute(c["k"], {0, 2, 1});
    // Every column knows the last token: M[:i+1, :i+1] is not made of tokens <= i.
    if (flaw_ == Flaw::kSaysAligned && L > 0) k = k * affine(narrow(k, 2, L - 1, 1), 1, 2) + permute(c["q"], {0, 2, 1});
    const Var all = unsqueeze(q, 3) * unsqueeze(k, 2);
    if (flaw_ == Flaw::kLeaks || flaw_ == Flaw::kSaysAligned) return all;
    return all * exp(segsum(zeros({1, 1, L}, c.dtype(), c.device())));
  }
  std::optional<Var> do_offset(const mixers::Streams&, int64_t) const override { return std::nullopt; }

  Var fast(const mixers::Streams& c, const Var& v) const {
    const Var q = unsqueeze(flaw_ == Flaw::kDropsGradient ? c["q"].detach() : c["q"], 3);
    const Var k = unsqueeze(flaw_ == Flaw::kOffByOne ? shift(c["k"], 1, 1) : c["k"], 3);
    const Var w = reshape(scale(), {shape_.H, 1});
    Var state = cumsum(k * v, 1);
    if (flaw_ == Flaw::kFastLeaks) state = state + affine(flip(v, 1), 1e-3);
    const Var y = cast(w * q * state, v.dtype());
    return flaw_ == Flaw::kAffine ? affine(square(v), 0.5) + y : y;
  }

  Var do_mix(const mixers::Streams& c, const Var& v, const Runs& runs) const override {
    if (flaw_ == Flaw::kLeaks || flaw_ == Flaw::kSaysAligned) return by_matrix(c, v, runs);
    if (flaw_ == Flaw::kReadsPadding && !runs.is_full()) {
      const Var inside(mask(runs, v));
      return fast(c.by_token(runs), v) * inside;
    }
    return by_runs(c, v, runs, [this](const mixers::Streams& cut, const Var& part) { return fast(cut, part); });
  }

  /// 1 at tokens of runs, 0 at padding, as [B, L, 1, 1].
  static Tensor mask(const Runs& runs, const Var& v) {
    const Tensor x = zeros({runs.B(), runs.L(), 1, 1}, v.dtype(), v.device());
    for (const Run& r : runs.all()) fill(x.narrow(0, r.row, 1).narrow(1, r.start, r.length), 1);
    return x;
  }

  mixers::BlockShape shape_;
  Flaw flaw_;
  nn::Parameter w_;
};

mixers::MixerRow toy(Flaw flaw) {
  return {"toy", "a test", [flaw](const mixers::BlockShape& shape, const mixers::MixerSizes&) {
            return std::make_unique<Toy>(shape, flaw);
          }};
}

/// The laws that fail for a Toy in F64 on the CPU, each once.
std::vector<std::string> broken_laws(Flaw flaw) {
  std::vector<std::string> broken;
  for (const LawResult& r : check_laws(toy(flaw), {.dtypes = {DType::F64}}))
    if (!r.pass && std::ranges::find(broken, r.law) == broken.end()) broken.push_back(r.law);
  return broken;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

void check_all(const mixers::MixerRow& row, std::vector<DType> dtypes = {DType::F64, DType::F32, DType::BF16}) {
  CAPTURE(row.name);
  for (const LawResult& r : check_laws(row, {.dtypes = dtypes, .devices = testing::test_devices()})) {
    CAPTURE(r.law);
    CAPTURE(to_string(r.source));
    CAPTURE(to_string(r.dtype));
    CAPTURE(to_string(r.device));
    CAPTURE(r.where);
    CHECK_MESSAGE(r.pass, r.error << " > " << r.tolerance);
  }
}

}  // namespace

TEST_CASE("every mixer keeps every law") {
  for (const mixers::MixerRow& row : mixers::registry()) check_all(row);
}

TEST_CASE("so do its options, in F64") {
  for (size_t i = mixers::registry().size(); i < law_rows().size(); ++i) check_all(law_rows()[i], {DType::F64});
}

TEST_CASE("a sound mixer keeps them all, in every dtype") { check_all(toy(Flaw::kNone)); }

TEST_CASE("each flaw is caught by the law of its name") {
  CHECK(contains(broken_laws(Flaw::kOffByOne), "value"));
  CHECK(contains(broken_laws(Flaw::kDropsGradient), "gradient"));
  CHECK(contains(broken_laws(Flaw::kDropsBias), "parameters"));
  CHECK(contains(broken_laws(Flaw::kLeaks), "causal"));
  CHECK(contains(broken_laws(Flaw::kFastLeaks), "causal"));
  CHECK(contains(broken_laws(Flaw::kReadsPadding), "padding"));
  CHECK(contains(broken_laws(Flaw::kReadsPadding), "packing"));
  CHECK(contains(broken_laws(Flaw::kAffine), "linear"));
  CHECK(contains(broken_laws(Flaw::kSaysAligned), "sequence_aligned"));
  CHECK(contains(broken_laws(Flaw::kSaysRankZero), "rank"));
  CHECK(contains(broken_laws(Flaw::kSaysRankTwo), "rank_tight"));
}

TEST_CASE("a flaw breaks no law that it has nothing to do with") {
  CHECK(broken_laws(Flaw::kDropsGradient) == std::vector<std::string>{"gradient", "parameters"});
  CHECK(broken_laws(Flaw::kDropsBias) == std::vector<std::string>{"parameters"});
  CHECK(broken_laws(Flaw::kSaysRankZero) == std::vector<std::string>{"rank"});
  CHECK(broken_laws(Flaw::kSaysRankTwo) == std::vector<std::string>{"rank_tight"});
}

TEST_CASE("names choose a mixer with its variants; unknown ones are an error") {
  CHECK(law_rows({}).size() == law_rows().size());
  CHECK(law_rows({"identity"}).size() == 1);
  CHECK(law_rows({"quasiseparable"}).size() == law_rows().size() - 1);
  CHECK_THROWS_WITH_AS(law_rows({"none"}), "mixer: 'none' is not known; known are: identity, quasiseparable", Error);
}
