#include "experiments/runs/run_summary.h"

#include <fmt/format.h>

#include "experiments/output/table.h"
#include "experiments/runs/json_lines.h"
#include "experiments/runs/run_folder.h"

namespace matmix::experiments {
namespace {

void read_metrics(RunSummary& run, const JsonObject& line) {
  const int64_t step = line.whole("step", run.steps);
  run.steps = step;
  if (line.has("parameters")) {
    run.parameters = line.whole("parameters", 1);
    run.data_digest = line.word("data_digest");
    run.context_free_loss = line.number("context_free_loss");
  }
  if (line.has("loss")) {
    const double loss = line.number("loss");
    require(run.training.empty() || run.training.back().step < step, line.where(),
            "step must be larger than that of the loss before, ", run.training.empty() ? 0 : run.training.back().step,
            ", got ", step);
    run.training.push_back({step, loss});
    run.tokens = line.whole("tokens", run.tokens);
    if (line.has("accuracy")) line.number("accuracy", 0, 1);
    if (line.has("grad_norm")) line.number("grad_norm");
  }
  if (line.has("heldout_loss")) {
    run.heldout.push_back({step, line.number("heldout_loss")});
    run.accuracy = line.number("heldout_accuracy", 0, 1);
    if (line.has("heldout_targets")) line.whole("heldout_targets");
    if (line.has("heldout_bits_per_byte")) run.bits_per_byte = line.number("heldout_bits_per_byte");
  }
}

/// "-" for what is no number, or none.
std::string figure(const std::optional<double>& x, int digits) { return x ? decimal(*x, digits) : "-"; }

}  // namespace

std::optional<double> RunSummary::heldout_loss() const {
  if (heldout.empty()) return std::nullopt;
  return heldout.back().loss;
}

RunSummary read_run(const std::filesystem::path& run) {
  RunSummary summary;
  summary.path = run;
  summary.config = config_of_run(run);
  for_each_json_line(run / "metrics.jsonl", [&](const JsonObject& line) { read_metrics(summary, line); });
  require(summary.parameters > 0, (run / "metrics.jsonl").string(), "has no line that tells the parameters");
  for_each_json_line(run / "timing.jsonl", [&](const JsonObject& line) {
    line.whole("step");
    line.number("seconds");
    if (line.has("tokens_per_second")) summary.tokens_per_second = line.number("tokens_per_second");
  });
  return summary;
}

void require_comparable(const std::vector<RunSummary>& runs) {
  const RunSummary& first = runs.front();
  for (const RunSummary& run : runs) {
    require(run.data_digest == first.data_digest, "compare", run.path.string(), " learned from other data than ",
            first.path.string(), "; --anyway compares them all the same");
    require(run.tokens == first.tokens, "compare", run.path.string(), " learned from ", run.tokens, " tokens and ",
            first.path.string(), " from ", first.tokens, "; --anyway compares them all the same");
  }
}

std::vector<std::vector<std::string>> comparison_table(const std::vector<RunSummary>& runs) {
  std::vector<std::vector<std::string>> table{
      {"run", "mixer", "held-out loss", "bits/byte", "accuracy", "tokens/s", "parameters", "tokens"}};
  for (const RunSummary& r : runs)
    table.push_back({r.config.name, r.config.model.mixer.name, figure(r.heldout_loss(), 4), figure(r.bits_per_byte, 3),
                     figure(r.accuracy, 4), decimal(r.tokens_per_second, 0), std::to_string(r.parameters),
                     std::to_string(r.tokens)});
  return table;
}

}  // namespace matmix::experiments
