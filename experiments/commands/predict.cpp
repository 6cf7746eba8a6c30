#include <fmt/core.h>

#include "experiments/commands/commands.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/runs/trained_model.h"

namespace matmix::experiments {
namespace {

void print_text(const std::string& text, const std::vector<Blank>& blanks) {
  print_out("{}\n", text);
  for (const Blank& blank : blanks) {
    std::string line;
    for (const Guess& guess : blank.guesses) line += fmt::format("{:<15} ", to_string(guess));
    print_out("  {}\n", line.substr(0, line.find_last_not_of(' ') + 1));
  }
}

void print_json(const std::string& text, const Blank& blank, size_t number) {
  for (size_t rank = 0; rank < blank.guesses.size(); ++rank)
    JsonLine()
        .put("text", text)
        .put("mask", number)
        .put("position", blank.position)
        .put("rank", rank + 1)
        .put("piece", blank.guesses[rank].piece)
        .put("probability", blank.guesses[rank].probability)
        .print();
}

}  // namespace

int run_predict(const PredictOptions& options) {
  const TrainedModel model(options.run, options.global.device, options.global.dtype);
  for (const std::string& text : options.texts) {
    const std::vector<Blank> blanks = model.fill(model.read(text), options.top);
    require(!blanks.empty(), "predict", "--text must hold a [MASK], got '", text, "'");
    if (!options.global.json) print_text(text, blanks);
    for (size_t i = 0; options.global.json && i < blanks.size(); ++i) print_json(text, blanks[i], i);
  }
  return 0;
}

}  // namespace matmix::experiments
