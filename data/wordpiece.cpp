#include "data/wordpiece.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "data/text.h"
#include "data/unicode.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace matmix::data {
namespace {

constexpr const char* kVocabularyReader = "read_vocabulary";
constexpr std::string_view kGoesOn = "##";

bool goes_on(std::string_view piece) { return piece.starts_with(kGoesOn) && piece.size() > kGoesOn.size(); }

std::string_view letters_of(std::string_view piece) { return goes_on(piece) ? piece.substr(kGoesOn.size()) : piece; }

/// [NUM], [unused3], <URL>: tokens that are added by hand; no text is cut into them.
bool is_bracketed(std::string_view piece) {
  return piece.size() > 2 &&
         ((piece.front() == '[' && piece.back() == ']') || (piece.front() == '<' && piece.back() == '>'));
}

bool has_upper_case(std::string_view piece) {
  while (!piece.empty()) {
    const Character c = first_character(piece);
    if (to_lower(c.code) != c.code) return true;
    piece.remove_prefix(static_cast<size_t>(c.bytes));
  }
  return false;
}

Vocabulary vocabulary_of(const std::vector<std::string>& pieces) {
  Vocabulary vocabulary{.size = static_cast<int32_t>(pieces.size())};
  for (const SpecialToken& special : kSpecialTokens) {
    const auto found = std::ranges::find(pieces, special.text);
    require(found != pieces.end(), "WordPiece", "a vocabulary must hold ", special.text, ", and this one does not");
    vocabulary.*special.id = static_cast<int32_t>(found - pieces.begin());
  }
  require(pieces.size() > std::size(kSpecialTokens), "WordPiece",
          "a vocabulary must hold more than the special tokens, and this one does not");
  return vocabulary;
}

/// Bytes [begin, end) of a text are a special token; if there is none, all three stand at its end.
struct SpecialFound {
  size_t begin = 0, end = 0;
  int32_t id = 0;
};

SpecialFound find_special(std::string_view text, size_t from, const Vocabulary& vocabulary) {
  for (size_t at = text.find('[', from); at != std::string_view::npos; at = text.find('[', at + 1))
    for (const SpecialToken& special : kSpecialTokens)
      if (text.substr(at).starts_with(special.text)) return {at, at + special.text.size(), vocabulary.*special.id};
  return {text.size(), text.size(), 0};
}

void check_piece(const std::string& piece, std::string_view where, size_t line) {
  require(!piece.empty(), kVocabularyReader, where, ":", line, ": must hold a piece, got an empty line");
  require(is_utf8(piece), kVocabularyReader, where, ":", line, ": must be UTF-8, which it is not");
}

}  // namespace

WordPiece::WordPiece(std::vector<std::string> pieces)
    : pieces_(std::move(pieces)),
      vocabulary_(vocabulary_of(pieces_)),
      trie_(std::accumulate(pieces_.begin(), pieces_.end(), size_t{0},
                            [](size_t sum, const std::string& piece) { return sum + piece.size(); })) {
  for (int32_t id = 0; id < vocabulary_.size; ++id) {
    const std::string& piece = pieces_[static_cast<size_t>(id)];
    const bool special = vocabulary_.is_special(id);
    require(!piece.empty() && is_utf8(piece), "WordPiece", "pieces must be UTF-8 and not empty; piece ", id, " is not");
    require(special || !find(piece), "WordPiece", "pieces must differ, got \"", piece, "\" twice");
    if (special) continue;
    trie_.add(letters_of(piece), goes_on(piece), id);
    if (!is_bracketed(piece) && has_upper_case(piece)) casing_ = Casing::kCased;
  }
}

std::optional<int32_t> WordPiece::find(std::string_view piece) const {
  for (const SpecialToken& special : kSpecialTokens)
    if (piece == special.text) return vocabulary_.*special.id;
  const std::string_view letters = letters_of(piece);
  const PieceTrie::Match match = trie_.longest(letters, goes_on(piece));
  if (match.id < 0 || match.bytes != letters.size()) return std::nullopt;
  return match.id;
}

Tokens WordPiece::encode(std::string_view text) const {
  Tokens tokens;
  int32_t words = 0;
  for (size_t at = 0; at < text.size();) {
    const SpecialFound special = find_special(text, at, vocabulary_);
    const int64_t offset = static_cast<int64_t>(at);
    for_each_bert_word(text.substr(at, special.begin - at), casing_,
                       [&](const BertWord& word) { encode_word(word, offset, words++, tokens); });
    if (special.end > special.begin)
      tokens.add(special.id, kNoWord, {static_cast<int64_t>(special.begin), static_cast<int64_t>(special.end)});
    at = special.end;
  }
  return tokens;
}

void WordPiece::encode_word(const BertWord& word, int64_t offset, int32_t number, Tokens& tokens) const {
  const size_t before = tokens.ids.size();
  const auto span = [&](size_t begin, size_t end) {
    return Span{offset + word.origin[begin].begin, offset + word.origin[end - 1].end};
  };
  for (size_t at = 0; at < word.bytes.size();) {
    const PieceTrie::Match match = trie_.longest(word.bytes.substr(at), at > 0);
    if (match.id < 0 || word.characters > kLongestWord) {
      tokens.cut(before);
      tokens.add(vocabulary_.unk, number, span(0, word.bytes.size()));
      return;
    }
    tokens.add(match.id, number, span(at, at + match.bytes));
    at += match.bytes;
  }
}

std::string WordPiece::do_piece(int32_t id) const { return pieces_[static_cast<size_t>(id)]; }

void WordPiece::append(std::string& text, std::string_view piece) const {
  if (goes_on(piece) && !text.empty()) {
    text += letters_of(piece);
    return;
  }
  if (!text.empty()) text += ' ';
  text += piece;
}

std::vector<std::string> parse_vocabulary(std::string_view bytes, std::string_view where) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  std::vector<std::string> pieces;
  std::unordered_map<std::string, size_t> lines;
  for (const std::string_view line : lines_of(bytes)) {
    const size_t number = pieces.size() + 1;
    check_piece(pieces.emplace_back(line), where, number);
    const auto [known, is_new] = lines.emplace(line, number);
    require(is_new, kVocabularyReader, where, ":", number, ": pieces must differ, got \"", line, "\" as on line ",
            known->second);
  }
  return pieces;
}

std::vector<std::string> read_vocabulary(const std::filesystem::path& path) {
  return parse_vocabulary(read_utf8(path, kVocabularyReader), path.native());
}

WordPiece parse_wordpiece(std::string bytes, const std::string& where) {
  std::vector<std::string> pieces = parse_vocabulary(checked_utf8(std::move(bytes), kVocabularyReader, where), where);
  try {
    return WordPiece(std::move(pieces));
  } catch (const Error& error) {
    fail(where, error.what());
  }
}

void write_vocabulary(const std::filesystem::path& path, const std::vector<std::string>& pieces) {
  std::string bytes;
  for (const std::string& piece : pieces) bytes += piece + '\n';
  write_file_atomically(path, bytes);
}

WordPiece read_wordpiece(const std::filesystem::path& path) { return parse_wordpiece(read_file(path), path.native()); }

}  // namespace matmix::data
