#include <fmt/core.h>
#include <algorithm>
#include <filesystem>
#include <optional>

#include "experiments/commands/commands.h"
#include "experiments/config/config.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/output/table.h"
#include "mixers/laws/block_fixture.h"
#include "mixers/laws/law_report.h"
#include "mixers/laws/matrices.h"
#include "mixers/registry.h"
#include "mixers/structure.h"
#include "ops/common/cases.h"
#include "tensor/parallel.h"

namespace matmix::experiments {
namespace {

using namespace mixers::laws;

/// A heading, unless the lines are JSON.
void head(const char* title, bool json) {
  if (!json) print_out("{}\n", title);
}

/// What a mixer says of itself with one source of coefficients, and which of that is not so.
struct Facts {
  bool data_dependent = false, sequence_aligned = false, extendable = false;
  std::vector<std::string> broken;  ///< laws
};

/// Facts as measured: where a law is broken, the opposite of the promise holds.
Facts measure_facts(const Setting& setting) {
  constexpr int64_t kTableLength = 7;
  const BlockSubject subject(setting, kTableLength);
  LawBook book(setting);
  check_facts(setting, book);
  Facts facts{subject.block().data_dependent(), subject.block().sequence_aligned(), subject.block().extendable(), {}};
  for (const LawResult& r : book.results()) {
    if (r.pass) continue;
    facts.broken.push_back(text(r.law, " with ", to_string(setting.source), " coefficients: ", r.where));
    for (const auto& [law, fact] :
         {std::pair{"data_dependent", &facts.data_dependent}, std::pair{"sequence_aligned", &facts.sequence_aligned},
          std::pair{"extendable", &facts.extendable}})
      if (r.law == law) *fact = !*fact;
  }
  return facts;
}

constexpr int64_t kRankLength = 20;

/// Orders of a random M, the largest over its heads.
mixers::Orders measure_orders(const Setting& setting) {
  const Subject subject = small_subject(setting, kRankLength);
  const Tensor M = subject.matrix(subject.draw_tokens({kRankLength}), full_layout({kRankLength}));
  mixers::Orders largest;
  for (int64_t h = 0; h < M.dim(1); ++h) {
    const mixers::Orders found = mixers::quasiseparable_orders(M.select(0, 0).select(0, h));
    largest.below.rank = std::max(largest.below.rank, found.below.rank);
    largest.above.rank = std::max(largest.above.rank, found.above.rank);
  }
  return largest;
}

/// One line of the paper's Table 1, measured.
struct MixerFacts {
  std::string name, stands_for;
  Facts projected, table;
  mixers::Orders orders;
  mixers::Traits traits;
  std::vector<std::string> broken;
};

MixerFacts measure(const mixers::MixerRow& row) {
  const auto setting = [&row](SourceKind source) { return Setting{row, source, DType::F64, kCpu, false, 0}; };
  const Setting projected = setting(SourceKind::kProjected);
  MixerFacts m{row.name,
               row.stands_for,
               measure_facts(projected),
               measure_facts(setting(SourceKind::kTable)),
               measure_orders(projected),
               small_subject(projected, kRankLength).mixer().traits(),
               {}};
  m.broken = m.projected.broken;
  m.broken.insert(m.broken.end(), m.table.broken.begin(), m.table.broken.end());
  const auto check_rank = [&m](const char* side, int64_t measured, const std::optional<int64_t>& promised) {
    if (promised && measured != *promised)
      m.broken.push_back(text("rank ", measured, " ", side, " the diagonal, promised ", *promised));
  };
  check_rank("below", m.orders.below.rank, m.traits.rank_below);
  check_rank("above", m.orders.above.rank, m.traits.rank_above);
  return m;
}

void print_json(const MixerFacts& m) {
  JsonLine line;
  line.put("what", "mixer").put("name", m.name).put("stands_for", m.stands_for).put("causal", m.traits.causal);
  for (const auto& [source, facts] : {std::pair{"projected", &m.projected}, std::pair{"table", &m.table}})
    line.put(text(source, "_data_dependent"), facts->data_dependent)
        .put(text(source, "_sequence_aligned"), facts->sequence_aligned)
        .put(text(source, "_extendable"), facts->extendable);
  const auto put_rank = [&line](const std::string& side, int64_t measured, const std::optional<int64_t>& promised) {
    line.put("rank_" + side, measured);
    promised ? line.put("promised_rank_" + side, *promised) : line.put_null("promised_rank_" + side);
  };
  put_rank("below", m.orders.below.rank, m.traits.rank_below);
  put_rank("above", m.orders.above.rank, m.traits.rank_above);
  line.put("explicit_cost", m.traits.explicit_cost).put("fast_cost", m.traits.fast_cost);
  line.put("holds", m.broken.empty()).print();
}

constexpr const char* kMixerLine = "  {:<24}{:<11}{:<11}{:<11}{:<10}{:<16}{:<18}{}\n";

void print_line(const MixerFacts& m) {
  const auto both = [&m](bool Facts::*fact) {
    const auto word = [](bool yes) { return yes ? "yes" : "no"; };
    return fmt::format("{} / {}", word(m.projected.*fact), word(m.table.*fact));
  };
  const auto rank = [](int64_t measured, const std::optional<int64_t>& promised) {
    return fmt::format("{}{}", measured, promised ? "" : "*");
  };
  print_out(kMixerLine, m.name, both(&Facts::data_dependent), both(&Facts::sequence_aligned), both(&Facts::extendable),
            rank(m.orders.below.rank, m.traits.rank_below) + ", " + rank(m.orders.above.rank, m.traits.rank_above),
            m.traits.explicit_cost, m.traits.fast_cost, m.stands_for);
  for (const std::string& broken : m.broken) print_out("    NOT AS PROMISED: {}\n", broken);
}

/// Whether every mixer is what it says.
bool list_mixers(bool json) {
  head("mixers: facts and ranks below, above the diagonal, as measured (yes / no: projected / table coefficients;",
       json);
  head(fmt::format("L = {}, N = 3, q and k of width 3; * nothing promised)\n", kRankLength).c_str(), json);
  if (!json)
    print_out(kMixerLine, "", "depends on", "aligned", "extends", "ranks", "explicit cost", "fast cost", "stands for");
  bool all = true;
  for (const mixers::MixerRow& row : mixers::registry()) {
    const MixerFacts m = measure(row);
    json ? print_json(m) : print_line(m);
    all = all && m.broken.empty();
  }
  return all;
}

void list_ops(bool json) {
  head("\nops (and in how many ways each is tried)", json);
  const std::vector<OpCase> cases = op_cases();
  std::string line;
  for (size_t i = 0; i < cases.size();) {
    const size_t first = i;
    while (i < cases.size() && cases[i].op == cases[first].op) ++i;
    if (json) {
      JsonLine().put("what", "op").put("name", cases[first].op).put("cases", i - first).print();
      continue;
    }
    line += fmt::format("  {} {}", cases[first].op, i - first);
    if (line.size() < 80 && i < cases.size()) continue;
    print_out("{}\n", line);
    line.clear();
  }
}

void list_named(const char* what, const std::string& name, const std::string& note, bool json) {
  if (json)
    JsonLine().put("what", what).put("name", name).put("note", note).print();
  else
    print_out("  {:<18}{}\n", name, note);
}

void list_models(bool json) {
  head("\nmodels", json);
  list_named("model", "bert", "masked language model: encoder of any mixer, tied head", json);
}

void list_data(bool json) {
  const std::string wordnet = DataConfig().path;
  const bool found = std::filesystem::exists(std::filesystem::path(wordnet) / "data.noun");
  head("\ndata (data.kind of a config)", json);
  list_named("data", "glosses",
             found ? "WordNet's definitions, in " + wordnet
                   : "WordNet's definitions; not found in " + wordnet + " (Debian: wordnet-base)",
             json);
  list_named("data", "text", "paragraphs of a plain text file, data.path", json);
  list_named("data", "recall", "associative recall, made on the fly", json);
}

void list_devices(bool json) {
  head("\ndevices", json);
  list_named("device", "cpu", text(device_name(kCpu), ", ", thread_count(), " threads"), json);
  for (int i = 0; i < cuda_device_count(); ++i)
    list_named("device", text("cuda:", i), device_name(cuda_device(i)), json);
}

}  // namespace

int run_list(const ListOptions& options) {
  const bool as_promised = list_mixers(options.global.json);
  for (const auto list : {list_ops, list_models, list_data, list_devices}) list(options.global.json);
  return as_promised ? 0 : 1;
}

}  // namespace matmix::experiments
