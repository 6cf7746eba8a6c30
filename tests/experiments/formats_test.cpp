#include <doctest/doctest.h>

#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "experiments/config/config.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

using Json = nlohmann::json;
using Names = std::set<std::string>;

/// What stands in backquotes between `from` and the next `to` of docs/formats.md.
Names named(const std::string& from, const std::string& to) {
  const std::string page = read_file(MATMIX_ROOT "/docs/formats.md");
  const size_t begin = page.find(from);
  REQUIRE(begin != std::string::npos);
  std::istringstream part(page.substr(begin, page.find(to, begin + from.size()) - begin));
  Names names;
  std::string word;
  for (bool quoted = false; std::getline(part, word, '`'); quoted = !quoted)
    if (quoted) names.insert(word);
  return names;
}

/// The keys of every line of JSON.
Names keys_of(const std::string& lines) {
  Names keys;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with('{')) continue;  // progress, which goes to stderr
    const Json object = Json::parse(line);
    for (const auto& [key, value] : object.items()) keys.insert(key);
  }
  return keys;
}

void check_row(const std::string& row, const std::string& arguments) {
  CAPTURE(row);
  const Outcome outcome = run_program(arguments + " --json");
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  CHECK(keys_of(outcome.output) == named("| " + row + " |", "\n"));
}

}  // namespace

TEST_CASE("docs/formats.md: every key of a config, its default and what it may be") {
  std::string rows;
  for (const experiments::ConfigKey& key : experiments::config_keys()) {
    const Json fallback = Json::parse(key.fallback);
    rows +=
        text("| `", key.name, "` | ", fallback.is_string() ? text("`", fallback.get<std::string>(), "`") : key.fallback,
             " | ", key.note, " |\n");
  }
  const std::string page = read_file(MATMIX_ROOT "/docs/formats.md"), head = "| --- | --- | --- |\n";
  const size_t begin = page.find(head) + head.size();
  CHECK(page.substr(begin, page.find("\n\n", begin) + 1 - begin) == rows);
}

TEST_CASE("docs/formats.md: the lines of metrics and of --json") {
  const TempDir folder;
  const std::string run = (folder / "run").string(), vocabulary = (folder / "vocab.txt").string();
  const std::string texts =
      folder.write("texts", "one two three two one\nthree two\none three one\ntwo two\n").string();
  const std::string config =
      folder
          .write("config", R"({"data": {"kind": "text", "path": ")" + texts + R"(", "heldout": 0.5,
      "max_len": 16}, "model": {"d_model": 16, "layers": 1, "mixer": {"state": 2, "headdim": 8}},
      "train": {"batch": 2, "steps": 2, "log_every": 1}})")
          .string();
  check_row("train", "train " + config + " --out " + run);
  check_row("evaluate", "evaluate " + run);
  check_row("replay", "replay " MATMIX_ROOT "/tests/reference/dense_di.safetensors");
  check_row("gradcheck", "gradcheck --op softmax");
  check_row("verify", "verify --mixer identity");
  check_row("tokenizer train", "tokenizer train " + texts + " --vocab-size 30 --out " + vocabulary);
  Names metrics = named("## Metrics", "\n## ");
  CHECK(keys_of(read_file(folder / "run/metrics.jsonl")) == metrics);
  const Names timing = keys_of(read_file(folder / "run/timing.jsonl"));
  CHECK(timing == Names{"step", "seconds", "tokens_per_second"});
  CHECK(Json::parse(read_file(folder / "run/config.json"))["made_by"].size() == 5);
}
