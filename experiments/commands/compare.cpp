#include <fmt/format.h>
#include <algorithm>
#include <optional>

#include "experiments/commands/commands.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/output/provenance.h"
#include "experiments/output/table.h"
#include "experiments/report/law_page.h"
#include "experiments/runs/run_page.h"
#include "tensor/file.h"

namespace matmix::experiments {
namespace {

void print_json(const RunSummary& r) {
  JsonLine line;
  line.put("run", r.path.string()).put("name", r.config.name).put("mixer", r.config.model.mixer.name);
  const auto put = [&line](const char* key, const std::optional<double>& x) {
    x ? line.put(key, *x) : line.put_null(key);
  };
  put("heldout_loss", r.heldout_loss());
  put("heldout_bits_per_byte", r.bits_per_byte);
  put("heldout_accuracy", r.accuracy);
  line.put("context_free_loss", r.context_free_loss)
      .put("tokens_per_second", r.tokens_per_second)
      .put("parameters", r.parameters)
      .put("tokens", r.tokens)
      .put("steps", r.steps)
      .put("data_digest", r.data_digest)
      .print();
}

/// Words to the left, numbers to the right.
void print_table(const std::vector<RunSummary>& runs) {
  constexpr size_t kWords = 2;
  const std::vector<std::vector<std::string>> rows = comparison_table(runs);
  for (const std::vector<std::string>& row : rows) {
    std::string line;
    for (size_t j = 0; j < row.size(); ++j) {
      size_t width = 0;
      for (const auto& other : rows) width = std::max(width, other[j].size());
      line += j < kWords ? fmt::format("{:<{}}  ", row[j], width) : fmt::format("{:>{}}  ", row[j], width);
    }
    print_out("{}\n", line.substr(0, line.size() - 2));
  }
  print_out("without context: {}\n", decimal(runs.front().context_free_loss, 4));
}

std::vector<Reading> read_texts(const CompareOptions& options, const std::vector<RunSummary>& runs) {
  constexpr int64_t kTop = 5;
  std::vector<Reading> readings;
  for (const std::string& text : options.texts) readings.push_back({text, {}});
  for (size_t i = 0; i < runs.size() && !readings.empty(); ++i) {
    const TrainedModel model(runs[i].path, options.global.device, options.global.dtype);
    for (Reading& reading : readings) {
      const Sentence sentence = model.read(reading.text);
      const std::string& name = runs[i].config.name;
      reading.models.push_back({name, model.fill(sentence, kTop), {name, sentence.pieces, model.matrices(sentence)}});
    }
  }
  return readings;
}

/// Of the mixers of these runs, each once, measured now.
std::string laws_of(const std::vector<RunSummary>& runs) {
  std::vector<std::string> names;
  for (const RunSummary& run : runs)
    if (std::ranges::find(names, run.config.model.mixer.name) == names.end())
      names.push_back(run.config.model.mixer.name);
  std::vector<mixers::laws::LawResult> all;
  for (const std::string& name : names) {
    const std::vector<mixers::laws::LawResult> results = mixers::laws::check_laws(mixers::find_mixer(name));
    all.insert(all.end(), results.begin(), results.end());
  }
  return law_tables(all);
}

}  // namespace

int run_compare(const CompareOptions& options) {
  require(!options.html.empty() || (options.texts.empty() && !options.verify), "compare",
          "--text and --verify are for the page of --html");
  std::vector<RunSummary> runs;
  for (const std::string& path : options.runs) runs.push_back(read_run(path));
  if (!options.anyway) require_comparable(runs);
  std::optional<AtomicFile> page;  // opened first: a path that cannot be written is known at once
  if (!options.html.empty()) page.emplace(options.html);
  if (options.global.json)
    for (const RunSummary& run : runs) print_json(run);
  else
    print_table(runs);
  std::fflush(stdout);
  if (!page) return 0;
  const std::string html =
      run_page(runs, read_texts(options, runs), options.verify ? laws_of(runs) : "", version_text());
  page->write(html.data(), html.size());
  page->commit();
  if (!options.global.json) print_out("page in {}\n", options.html);
  return 0;
}

}  // namespace matmix::experiments
