#include <fmt/core.h>
#include <filesystem>

#include "experiments/commands/commands.h"
#include "experiments/config.h"
#include "experiments/json_line.h"
#include "mixers/registry.h"
#include "ops/cases.h"
#include "tensor/parallel.h"

namespace matmix::experiments {
namespace {

using mixers::MixerBlock;

/// A heading, unless the lines are JSON.
void head(const char* title, bool json) {
  if (!json) fmt::print("{}\n", title);
}

MixerBlock block_of(const mixers::MixerRow& row, const mixers::Source& source) {
  return MixerBlock({.gate = mixers::Gate::kNone, .source = source},
                    [&](const mixers::BlockShape& shape) { return row.make(shape, {}); });
}

void list_mixer(const mixers::MixerRow& row, bool json) {
  const MixerBlock projected = block_of(row, mixers::Projected{});
  const MixerBlock table = block_of(row, mixers::Table{.max_len = mixers::MixerSizes{}.max_len});
  const mixers::Traits t = projected.mixer().traits();
  if (json) {
    JsonLine line;
    line.put("what", "mixer").put("name", row.name).put("stands_for", row.stands_for).put("causal", t.causal);
    for (const auto& [source, block] : {std::pair{"projected", &projected}, std::pair{"table", &table}})
      line.put(text(source, "_data_dependent"), block->data_dependent())
          .put(text(source, "_sequence_aligned"), block->sequence_aligned())
          .put(text(source, "_extendable"), block->extendable());
    line.put("explicit_cost", t.explicit_cost).put("fast_cost", t.fast_cost).print();
    return;
  }
  const auto both = [&](bool (MixerBlock::*fact)() const) {
    const auto word = [](bool yes) { return yes ? "yes" : "no"; };
    return fmt::format("{} / {}", word((projected.*fact)()), word((table.*fact)()));
  };
  const auto rank = [](const std::optional<int64_t>& r) { return r ? std::to_string(*r) : "any"; };
  fmt::print("  {:<18}{}{}\n", row.name, row.stands_for, t.causal ? ", causal" : "");
  fmt::print("    data dependent {}, sequence aligned {}, extendable {}\n", both(&MixerBlock::data_dependent),
             both(&MixerBlock::sequence_aligned), both(&MixerBlock::extendable));
  fmt::print("    rank below the diagonal {}, above {}; cost a head: explicit {}, fast {}\n", rank(t.rank_below),
             rank(t.rank_above), t.explicit_cost, t.fast_cost);
}

void list_mixers(bool json) {
  head("mixers (facts with projected / table coefficients, ranks at state 16)", json);
  for (const mixers::MixerRow& row : mixers::registry()) list_mixer(row, json);
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
    fmt::print("{}\n", line);
    line.clear();
  }
}

void list_named(const char* what, const std::string& name, const std::string& note, bool json) {
  if (json)
    JsonLine().put("what", what).put("name", name).put("note", note).print();
  else
    fmt::print("  {:<18}{}\n", name, note);
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
  for (const auto list : {list_mixers, list_ops, list_models, list_data, list_devices}) list(options.global.json);
  return 0;
}

}  // namespace matmix::experiments
