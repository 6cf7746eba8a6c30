// What docs/adding_a_mixer.md and tools/new_mixer.sh write is compiled here, and judged as registered mixers are.
// Angle brackets: files that the build writes.
#include <adding_a_mixer.h>
#include <new_mixer.h>

#include <doctest/doctest.h>

#include "mixers/laws/laws.h"
#include "nn/parameter_store.h"
#include "tensor/compare.h"
#include "tensor/tolerance.h"
#include "tensor/transfer.h"

using namespace matmix;
using namespace matmix::mixers;

namespace {

const std::vector<MixerRow> kPageRows{
#include <mixers/nearness_row.inc>
};

void check_laws_of(const MixerRow& row) {
  for (const auto& r : laws::check_laws(row)) {
    CAPTURE(r.law);
    CAPTURE(to_string(r.dtype));
    CAPTURE(r.where);
    CHECK_MESSAGE(r.pass, r.error << " > " << r.tolerance);
  }
}

}  // namespace

TEST_CASE("the page's mixer keeps every law") {
  REQUIRE(kPageRows.size() == 1);
  check_laws_of(kPageRows[0]);
}

TEST_CASE("the page's mixer: three tokens by hand") {
  Nearness mixer({.D = 1, .H = 1, .P = 1});
  const nn::ParameterStore store(mixer, kCpu, MathMode::kF64, 0);
  fill(store.master(), std::log(std::log(2)));  // a = 1/2
  const Var v = from_vector<double>({4, 8, 16}, {1, 3, 1, 1});
  const Var y = mixer.mix(Streams(DType::F64, kCpu), v, Runs::full(1, 3));
  CHECK(relative_error(y.value(), from_vector<double>({12, 18, 21}, {1, 3, 1, 1})) <= tolerance(DType::F64, 3));
}

TEST_CASE("the mixer that new_mixer.sh writes keeps every law") {
  check_laws_of(
      {"two_words", "a test", [](const BlockShape& s, const MixerSizes&) { return std::make_unique<TwoWords>(s); }});
}
