// docs/mixers/*.md against the program: every class has a page, what a page links is there, its commands are words that
// the program knows, and what it shows of a matrix is what the program shows.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <sstream>
#include <vector>

#include "experiments/config/config.h"
#include "mixers/registry.h"
#include "tensor/file.h"
#include "tests/support/program.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

const fs::path kRoot = MATMIX_ROOT, kPages = kRoot / "docs" / "mixers";

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

Lines words_of(const std::string& line) {
  Lines words;
  std::istringstream stream(line);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

struct Page {
  fs::path file;
  Lines lines;

  bool has_command(const std::string& start) const {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return (line + " ").starts_with("    matmix " + start + " "); });
  }
};

std::vector<Page> pages() {
  std::vector<Page> all;
  for (const auto& entry : fs::directory_iterator(kPages))
    if (entry.path().extension() == ".md") all.push_back({entry.path(), lines_of(read_file(entry.path()))});
  return all;
}

constexpr std::string_view kIndent = "    ", kProgram = "    matmix ";

bool is_command(const std::string& line) { return line.starts_with(kProgram); }

/// The words behind "matmix", without a remark.
std::string arguments_of(const std::string& line) {
  const std::string rest = line.substr(kProgram.size());
  return rest.substr(0, rest.find("  #"));
}

/// What stands below a command, without its indent: up to the next command or unindented line.
Lines shown_below(const Page& page, size_t command) {
  Lines shown;
  for (size_t i = command + 1; i < page.lines.size(); ++i) {
    const std::string& line = page.lines[i];
    if (is_command(line) || (!line.empty() && !line.starts_with(kIndent))) break;
    shown.push_back(line.empty() ? "" : line.substr(kIndent.size()));
  }
  while (!shown.empty() && shown.front().empty()) shown.erase(shown.begin());
  while (!shown.empty() && shown.back().empty()) shown.pop_back();
  return shown;
}

/// The panels of entries and ranks, L rows below their captions: as it is in other compilers too. Errors are rounding.
Lines entries_and_ranks(const Lines& shown) {
  Lines rows;
  size_t width = 0;
  for (const std::string& line : shown) {
    if (line.starts_with("M  ") && line.find("|fast") != std::string::npos)
      width = line.find("|fast") - 2;
    else if (width > 0)
      rows.push_back(line.substr(0, width));
  }
  for (std::string& row : rows) row.erase(row.find_last_not_of(' ') + 1);
  return rows;
}

bool shows_values(const std::string& arguments) { return arguments.find("--values") != std::string::npos; }

}  // namespace

TEST_CASE("every mixer has a page that shows its matrix and its laws") {
  const std::vector<Page> all = pages();
  for (const mixers::MixerRow& row : mixers::registry())
    for (const std::string command : {"show", "verify"}) {
      CAPTURE(row.name);
      CAPTURE(command);
      CHECK(std::ranges::any_of(all,
                                [&](const Page& page) { return page.has_command(command + " --mixer " + row.name); }));
    }
}

TEST_CASE("files that pages link are there") {
  for (const Page& page : pages())
    for (const std::string& line : page.lines)
      for (size_t at = line.find("]("); at != std::string::npos; at = line.find("](", at + 1)) {
        const std::string target = line.substr(at + 2, line.find(')', at) - at - 2);
        if (target.starts_with("http")) continue;
        CAPTURE(page.file.string());
        CAPTURE(target);
        CHECK(fs::exists(page.file.parent_path() / target.substr(0, target.find('#'))));
      }
}

TEST_CASE("the program knows every option of the pages' commands") {
  for (const Page& page : pages())
    for (const std::string& line : page.lines) {
      if (!is_command(line)) continue;
      CAPTURE(page.file.string());
      CAPTURE(line);
      // What is not expected is said last: all else was understood.
      const Outcome outcome = run_program(arguments_of(line) + " --surely-not-this");
      CHECK(outcome.output ==
            "matmix: The following argument was not expected: --surely-not-this; see matmix --help\n");
      const Lines words = words_of(arguments_of(line));
      for (size_t i = 0; i + 1 < words.size(); ++i)
        if (words[i] == "--mixer") CHECK_NOTHROW(mixers::find_mixer(words[i + 1]));
    }
}

TEST_CASE("configs that pages train are configs") {
  for (const Page& page : pages())
    for (const std::string& line : page.lines) {
      if (!line.starts_with("    matmix train ")) continue;
      CAPTURE(line);
      const Lines words = words_of(arguments_of(line));
      Lines set;
      for (size_t i = 2; i + 1 < words.size(); ++i)
        if (words[i] == "--set") set.push_back(words[i + 1]);
      std::optional<experiments::Config> read;
      REQUIRE_NOTHROW(read = experiments::read_config(kRoot / words.at(1), set));
      CHECK_NOTHROW(mixers::find_mixer(read->model.mixer.name));
    }
}

TEST_CASE("numbers and pictures of a matrix are what the program prints") {
  int values = 0, pictures = 0;
  for (const Page& page : pages())
    for (size_t i = 0; i < page.lines.size(); ++i) {
      if (!page.lines[i].starts_with("    matmix show --mixer")) continue;
      const std::string arguments = arguments_of(page.lines[i]);
      const Lines shown = shown_below(page, i);
      if (shown.empty()) continue;
      CAPTURE(page.file.string());
      CAPTURE(arguments);
      const Outcome outcome = run_program(arguments);
      REQUIRE(outcome.status == 0);
      const Lines printed = lines_of(outcome.output);
      if (shows_values(arguments)) {
        CHECK(shown == printed);
        ++values;
      } else {
        CHECK(shown.at(0) == printed.at(0));
        CHECK(entries_and_ranks(shown) == entries_and_ranks(printed));
        CHECK(!entries_and_ranks(shown).empty());
        ++pictures;
      }
    }
  CHECK(values >= 5);
  CHECK(pictures >= static_cast<int>(pages().size()) / 2);
}
