#include "experiments/laws/laws.h"

#include <algorithm>

#include "experiments/laws/law_book.h"
#include "mixers/quasiseparable.h"

namespace matmix::experiments {
namespace {

using mixers::BlockShape, mixers::Diagonal, mixers::MixerRow, mixers::MixerSizes;

MixerRow quasiseparable_variant(const char* what, mixers::QuasiseparableMixerOptions options) {
  return {text("quasiseparable, ", what), "an option of it", [options](const BlockShape& s, const MixerSizes& z) {
            auto made = options;
            made.groups = z.groups;
            made.state = z.state;
            made.Q = z.Q;
            return std::make_unique<mixers::Quasiseparable>(s, made);
          }};
}

std::vector<MixerRow> all_rows() {
  std::vector<MixerRow> rows = mixers::registry();
  rows.push_back(quasiseparable_variant("no shift", {.shift = false, .diagonal = Diagonal::kPerHead}));
  rows.push_back(quasiseparable_variant("shared B and C", {.shared_bc = true, .diagonal = Diagonal::kConstant}));
  rows.push_back(quasiseparable_variant("no decay", {.diagonal = Diagonal::kNone, .decay = false}));
  rows.push_back(quasiseparable_variant("no step stream", {.step_stream = false}));
  rows.push_back(quasiseparable_variant("initial states", {.initial_states = true}));
  rows.push_back(quasiseparable_variant("initial states, no shift", {.shift = false, .initial_states = true}));
  return rows;
}

bool is_variant_of(const MixerRow& row, const std::string& name) {
  return row.name == name || row.name.starts_with(name + ",");
}

}  // namespace

std::string_view to_string(SourceKind source) { return source == SourceKind::kProjected ? "projected" : "table"; }

const std::vector<MixerRow>& law_rows() {
  static const std::vector<MixerRow> rows = all_rows();
  return rows;
}

std::vector<MixerRow> law_rows(const std::vector<std::string>& names) {
  if (names.empty()) return law_rows();
  std::vector<MixerRow> chosen;
  for (const std::string& name : names) {
    const size_t before = chosen.size();
    std::ranges::copy_if(law_rows(), std::back_inserter(chosen),
                         [&](const MixerRow& row) { return is_variant_of(row, name); });
    if (chosen.size() == before) mixers::find_mixer(name);
  }
  return chosen;
}

std::vector<LawResult> check_laws(const MixerRow& row, const LawOptions& options,
                                  const std::function<void(const std::vector<LawResult>&)>& done) {
  std::vector<LawResult> all;
  for (const Device device : options.devices)
    for (const SourceKind source : options.sources)
      for (const DType dtype : options.dtypes) {
        const Setting setting{row, source, dtype, device, options.exhaustive, options.seed};
        LawBook book(setting);
        for (const auto check : {check_twins, check_layouts, check_linear, check_causal, check_facts, check_ranks,
                                 check_parameters, check_repeatable, check_devices})
          check(setting, book);
        const std::vector<LawResult> found = book.results();
        all.insert(all.end(), found.begin(), found.end());
        if (done) done(found);
      }
  return all;
}

}  // namespace matmix::experiments
