#include <doctest/doctest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/segments.h"
#include "data/unicode.h"
#include "data/wordpiece.h"
#include "tensor/file.h"

using namespace matmix;
using namespace matmix::data;
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

/// What Hugging Face's tokenizers make of some texts, one JSON object a line.
std::vector<Json> read_golden(const fs::path& path) {
  std::istringstream lines(read_file(path));
  std::vector<Json> rows;
  for (std::string line; std::getline(lines, line);) rows.push_back(Json::parse(line));
  return rows;
}

/// Offsets in characters, as Python counts them.
int64_t characters_before(const std::string& text, int64_t bytes) {
  int64_t count = 0;
  for (int64_t at = 0; at < bytes; ++count)
    at += first_character(std::string_view(text).substr(static_cast<size_t>(at))).bytes;
  return count;
}

/// {text, ids, tokens, offsets}: one text with [CLS] and [SEP] around it, whose offsets are [0, 0].
void check_single(const WordPiece& tokenizer, const Json& golden) {
  const std::string text = golden["text"];
  CAPTURE(text);
  const Tokens tokens = tokenizer.encode(text);
  const Segments segments = one_segment(tokenizer.vocabulary(), tokens.ids, 1 << 20);
  CHECK(segments.ids == golden["ids"].get<std::vector<int32_t>>());
  std::vector<std::string> pieces;
  for (const int32_t id : segments.ids) pieces.push_back(tokenizer.piece(id));
  CHECK(pieces == golden["tokens"].get<std::vector<std::string>>());
  std::vector<std::vector<int64_t>> offsets{{0, 0}};
  for (const Span& s : tokens.spans)
    offsets.push_back({characters_before(text, s.begin), characters_before(text, s.end)});
  offsets.push_back({0, 0});
  CHECK(offsets == golden["offsets"].get<std::vector<std::vector<int64_t>>>());
}

/// {text_a, text_b, max_length, ids, type_ids}
void check_pair(const WordPiece& tokenizer, const Json& golden) {
  const std::string a = golden["text_a"], b = golden["text_b"];
  CAPTURE(a);
  CAPTURE(b);
  const Segments segments =
      two_segments(tokenizer.vocabulary(), tokenizer.encode(a).ids, tokenizer.encode(b).ids, golden["max_length"]);
  CHECK(segments.ids == golden["ids"].get<std::vector<int32_t>>());
  CHECK(segments.types == golden["type_ids"].get<std::vector<int32_t>>());
}

}  // namespace

TEST_CASE("edge cases read as by the tokenizers library") {
  const fs::path folder = MATMIX_ROOT "/tests/reference/bert";
  const WordPiece tokenizer = read_wordpiece(folder / "vocab.txt");
  const std::vector<Json> rows = read_golden(folder / "bert_single.jsonl");
  CHECK(rows.size() == 59);
  for (const Json& row : rows) check_single(tokenizer, row);
}

// MATMIX_GOLDEN names a folder with bert-base-uncased/vocab.txt, golden/bert_single.jsonl and
// golden/bert_pair_trunc64.jsonl: the whole published vocabulary.
TEST_CASE("golden files reproduce exactly") {
  if (std::getenv("MATMIX_GOLDEN") == nullptr) {
    MESSAGE("skipped: MATMIX_GOLDEN names no folder with the published vocabulary");
    return;
  }
  const fs::path folder = std::getenv("MATMIX_GOLDEN");
  const WordPiece tokenizer = read_wordpiece(folder / "bert-base-uncased" / "vocab.txt");
  CHECK(tokenizer.casing() == Casing::kUncased);
  for (const Json& row : read_golden(folder / "golden" / "bert_single.jsonl")) check_single(tokenizer, row);
  for (const Json& row : read_golden(folder / "golden" / "bert_pair_trunc64.jsonl")) check_pair(tokenizer, row);
}
