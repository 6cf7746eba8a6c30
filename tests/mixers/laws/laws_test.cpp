// Every law for every mixer; and mixers that break one law each, to see that the laws can tell.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "mixers/laws/fixture.h"
#include "mixers/laws/laws.h"
#include "tests/mixers/laws/toy_mixer.h"
#include "tests/support/devices.h"

using namespace matmix;
using namespace matmix::mixers::laws;
using matmix::testing::Flaw, matmix::testing::toy;

namespace {

using Names = std::set<std::string>;

std::string joined(const Names& names) {
  std::string line;
  for (const std::string& name : names) line += name + " ";
  return line;
}

/// The laws that fail for a Toy.
Names broken_laws(Flaw flaw, DType dtype = DType::F64, const std::vector<Device>& devices = {kCpu}) {
  Names broken;
  for (const LawResult& r : check_laws(toy(flaw), {.dtypes = {dtype}, .devices = devices}))
    if (!r.pass) broken.insert(r.law);
  return broken;
}

/// A flaw, the law of whose name it is the proof, and all laws that it breaks in F64.
struct Proof {
  Flaw flaw;
  std::string law;
  Names broken;
};

const std::vector<Proof>& proofs() {
  static const std::vector<Proof> all{
      {Flaw::kOffByOne, "value", {"value", "gradient"}},
      {Flaw::kErrs, "value", {"value", "gradient"}},
      {Flaw::kRoundsState, "value", {"value", "gradient", "linear"}},
      {Flaw::kDropsGradient, "gradient", {"gradient", "parameters"}},
      {Flaw::kDropsParameter, "gradient", {"gradient", "parameters"}},
      {Flaw::kIgnoresParameter, "parameters", {"parameters"}},
      {Flaw::kLeaks, "causal", {"causal", "truncation", "recurrence"}},
      {Flaw::kFastLeaks, "causal", {"value", "gradient", "causal", "truncation"}},
      {Flaw::kHidesCausal, "causal", {"causal"}},
      {Flaw::kReadsPadding, "padding", {"value", "gradient", "padding", "packing"}},
      {Flaw::kWritesPadding, "padding", {"padding"}},
      {Flaw::kCarriesOver, "packing", {"value", "gradient", "packing"}},
      {Flaw::kForgets, "recurrence", {"recurrence"}},
      {Flaw::kStepsTwice, "recurrence", {"recurrence"}},
      {Flaw::kAffine, "linear", {"value", "gradient", "linear"}},
      {Flaw::kScalesByLength, "scale", {"scale", "truncation", "recurrence"}},
      {Flaw::kNormalisesByAll, "truncation", {"truncation", "sequence_aligned", "recurrence"}},
      {Flaw::kIgnoresStreams, "data_dependent", {"data_dependent", "parameters"}},
      {Flaw::kSaysAligned, "sequence_aligned", {"sequence_aligned", "scale"}},
      {Flaw::kHidesAligned, "sequence_aligned", {"sequence_aligned"}},
      {Flaw::kSaysNormalised, "normalised", {"normalised"}},
      {Flaw::kRefusesLong, "extendable", {"extendable"}},
      {Flaw::kSaysRankZero, "rank", {"rank"}},
      {Flaw::kSaysRankTwo, "rank_tight", {"rank_tight"}},
      {Flaw::kSaysMonarch, "monarch", {"monarch"}},
      {Flaw::kSaysLengthDependent, "scale", {"scale"}},
      {Flaw::kChangesOrder, "repeatable", {"repeatable"}},
      {Flaw::kDiffersOnCuda, "devices", {}},
      {Flaw::kDecaysVector, "decay_groups", {"decay_groups"}},
      {Flaw::kStartsHuge, "initial", {"initial"}}};
  return all;
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
    // Forms that state an accuracy are as good as they state in F64 alone.
    const bool rounds = r.dtype == DType::F32 ||
                        (r.dtype == DType::F64 && row.make(kLawShape, law_sizes(8, 16))->traits().accuracy == 0);
    if (rounds && r.device == kCpu && r.error > 0 && (r.law == "value" || r.law == "gradient"))
      CHECK_MESSAGE(10 * r.error > r.tolerance, "ten times the error that there is would pass");
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

TEST_CASE("each flaw is caught by the law of its name, and breaks no law that it has nothing to do with") {
  for (const Proof& proof : proofs()) {
    CAPTURE(static_cast<int>(proof.flaw));
    CHECK(joined(broken_laws(proof.flaw)) == joined(proof.broken));
    CHECK((proof.law == "devices" || proof.broken.contains(proof.law)));
  }
}

TEST_CASE("a mixer that differs on CUDA is caught there") {
  for (const Device device : testing::test_devices())
    if (device.is_cuda()) CHECK(broken_laws(Flaw::kDiffersOnCuda, DType::F64, {device}).contains("devices"));
}

TEST_CASE("a state carried in BF16 is caught by the BF16 law too: it is more than twice as far off") {
  CHECK(broken_laws(Flaw::kRoundsState, DType::BF16).contains("value"));
}

TEST_CASE("so is an error of 25 roundings in F32, which is some ten times what there is") {
  CHECK(joined(broken_laws(Flaw::kErrs, DType::F32)) == joined({"value", "gradient"}));
}

TEST_CASE("no law without a flaw that proves it, and none that is measured under another name") {
  Names known, proved, measured{"devices"};
  for (const Law& law : all_laws()) known.insert(law.name);
  for (const Proof& proof : proofs()) proved.insert(proof.law);
  for (const LawResult& r : check_laws(toy(Flaw::kNone), {.dtypes = {DType::F64}})) measured.insert(r.law);
  CHECK(proved == known);
  CHECK(measured == known);
}

TEST_CASE("the source of streams changes the facts, and matters only where there are streams") {
  const auto sources = [](const mixers::MixerRow& row) {
    Names found;
    for (const LawResult& r : check_laws(row, {.dtypes = {DType::F64}})) found.emplace(to_string(r.source));
    return found;
  };
  CHECK(sources(toy(Flaw::kNone)) == Names{"projected", "table", "generated"});
  CHECK(sources(mixers::find_mixer("identity")) == Names{"projected"});
}

TEST_CASE("names choose a mixer with its variants; unknown ones are an error") {
  CHECK(law_rows({}).size() == law_rows().size());
  CHECK(law_rows({"identity"}).size() == 1);
  CHECK(law_rows({"quasiseparable"}).size() == 7);
  CHECK_THROWS_WITH_AS(law_rows({"none"}), doctest::Contains("mixer: 'none' is not known; known are: identity, "),
                       Error);
}
