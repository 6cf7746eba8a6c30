#include "experiments/runs/run_summary.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "data/text.h"
#include "experiments/runs/run_folder.h"

namespace matmix::experiments {
namespace {

using Json = nlohmann::ordered_json;

/// One line of a .jsonl file: numbers by name.
class Line {
 public:
  Line(const std::string& text, std::string where) : where_(std::move(where)) {
    object_ = Json::parse(text, nullptr, false);
    require(object_.is_object(), where_, "must be a JSON object, got ", text.substr(0, 40));
  }

  bool has(const char* key) const { return object_.contains(key); }
  /// null is what JSON has for NaN and infinities.
  double number(const char* key) const {
    if (has(key) && object_[key].is_null()) return std::numeric_limits<double>::quiet_NaN();
    require(has(key) && object_[key].is_number(), where_, key, " must be a number");
    return object_[key].get<double>();
  }
  int64_t whole(const char* key) const {
    require(has(key) && object_[key].is_number_integer(), where_, key, " must be a whole number");
    return object_[key].get<int64_t>();
  }
  std::string word(const char* key) const {
    require(has(key) && object_[key].is_string(), where_, key, " must be a string");
    return object_[key].get<std::string>();
  }

 private:
  std::string where_;
  Json object_;
};

/// The whole lines of a file: what a killed run has half written at its end is not one.
template <class Sink>
void for_each_line(const std::filesystem::path& path, Sink&& sink) {
  const std::string bytes = data::read_utf8(path, "read_run");
  int64_t number = 0;
  for (size_t from = 0, end; (end = bytes.find('\n', from)) != std::string::npos; from = end + 1)
    sink(Line(bytes.substr(from, end - from), text(path.string(), ":", ++number)));
}

void read_metrics(RunSummary& run, const Line& line) {
  const int64_t step = line.whole("step");
  run.steps = std::max(run.steps, step);
  if (line.has("parameters")) {
    run.parameters = line.whole("parameters");
    run.data_digest = line.word("data_digest");
    run.context_free_loss = line.number("context_free_loss");
  }
  if (line.has("loss")) {
    run.training.push_back({step, line.number("loss")});
    run.tokens = line.whole("tokens");
  }
  if (line.has("heldout_loss")) {
    run.heldout.push_back({step, line.number("heldout_loss")});
    run.accuracy = line.number("heldout_accuracy");
    if (line.has("heldout_bits_per_byte")) run.bits_per_byte = line.number("heldout_bits_per_byte");
  }
}

std::string figure(const std::optional<double>& x, int digits) { return x ? fmt::format("{:.{}f}", *x, digits) : "-"; }

}  // namespace

std::optional<double> RunSummary::heldout_loss() const {
  if (heldout.empty()) return std::nullopt;
  return heldout.back().loss;
}

RunSummary read_run(const std::filesystem::path& run) {
  RunSummary summary;
  summary.path = run;
  summary.config = config_of_run(run);
  for_each_line(run / "metrics.jsonl", [&](const Line& line) { read_metrics(summary, line); });
  require(summary.parameters > 0, (run / "metrics.jsonl").string(), "has no line that tells the parameters");
  for_each_line(run / "timing.jsonl", [&](const Line& line) {
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
                     figure(r.accuracy, 4), fmt::format("{:.0f}", r.tokens_per_second), std::to_string(r.parameters),
                     std::to_string(r.tokens)});
  return table;
}

}  // namespace matmix::experiments
