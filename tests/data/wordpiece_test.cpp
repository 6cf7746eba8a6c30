#include "data/wordpiece.h"

#include <doctest/doctest.h>

#include "data/corpus.h"
#include "data/masking.h"
#include "data/unicode.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::data;
using matmix::testing::TempDir;

namespace {

const std::vector<std::string> kSpecials = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

/// Ids from 5 on are the pieces.
WordPiece with_pieces(const std::vector<std::string>& pieces) {
  std::vector<std::string> all = kSpecials;
  all.insert(all.end(), pieces.begin(), pieces.end());
  return WordPiece(std::move(all));
}

/// Every printable ASCII character and some others, alone and as "##c", and a few longer ones.
WordPiece with_letters(bool cased) {
  std::vector<std::string> pieces = {"the", "##ing", "in", "##in", "ab", "##abc", "##cb"};
  std::vector<int32_t> codes = {0xdf, 0x3c3, 0x431, 0x1112, 0x1161, 0x11ab, 0x4e2d, 0x1f600, 0x2019};
  for (int32_t code = '!'; code <= '~'; ++code)
    if (cased || to_lower(code) == code) codes.push_back(code);
  for (const int32_t code : codes) {
    std::string letter;
    append_utf8(letter, code);
    pieces.push_back(letter);
    if (!stands_alone(code)) pieces.push_back("##" + letter);
  }
  return with_pieces(pieces);
}

std::string pieces_of(const WordPiece& tokenizer, std::string_view text) {
  std::string all;
  for (const int32_t id : tokenizer.encode(text).ids) all += (all.empty() ? "" : " ") + tokenizer.piece(id);
  return all;
}

/// Letters, accents, Hangul, emoji, spaces, controls, special tokens and bytes that are not UTF-8, mixed at random.
std::string random_text(uint64_t seed) {
  RandomStream random({.seed = seed});
  constexpr std::string_view kParts[] = {
      "the", "ing", "a",  "B",    "\xc3\xa9",         "e\xcc\x81",    "\xed\x95\x9c",
      " ",   "  ",  "\t", "-",    "\xe4\xb8\xad",     "[MASK]",       "[UNK]",
      "[",   "#",   "\0", "\r\n", "\xf0\x9f\x98\x80", "\xff",         "\xe4\xb8",
      "9",   "xyz", "?",  "\xc3", "\xc3\x9f",         "\xe2\x89\xa0", "\xe2\x80\x8b"};
  std::string text;
  for (int64_t n = random.below(30); n > 0; --n)
    text += kParts[static_cast<size_t>(random.below(static_cast<int64_t>(std::size(kParts))))];
  return text;
}

std::string message(const std::vector<std::string>& pieces) {
  try {
    WordPiece{pieces};
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string refusal(std::string_view bytes) {
  try {
    parse_vocabulary(bytes, "f");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("laws of encoding: known ids, spans in order, words numbered from the left, and the same every time") {
  for (const bool cased : {false, true}) {
    const WordPiece tokenizer = with_letters(cased);
    CHECK(tokenizer.casing() == (cased ? Casing::kCased : Casing::kUncased));
    for (uint64_t seed = 0; seed < 300; ++seed) {
      const std::string text = random_text(seed);
      CAPTURE(text);
      const Tokens tokens = tokenizer.encode(text);
      CHECK(tokens.words.size() == tokens.ids.size());
      CHECK(tokens.spans.size() == tokens.ids.size());
      int64_t end = 0;
      int32_t words = 0;
      for (size_t t = 0; t < tokens.ids.size(); ++t) {
        CHECK(tokens.ids[t] >= 0);
        CHECK(tokens.ids[t] < tokenizer.vocabulary().size);
        const Span span = tokens.spans[t];
        CHECK(span.begin < span.end);
        CHECK(span.end >= end);  // several pieces may come from one character
        end = span.end;
        if (tokens.words[t] == kNoWord) continue;
        CHECK((tokens.words[t] == words || tokens.words[t] == words - 1));
        const bool goes_on = tokenizer.piece(tokens.ids[t]).starts_with("##");
        CHECK(goes_on == (tokens.words[t] == words - 1));
        words = tokens.words[t] + 1;
      }
      CHECK(end <= static_cast<int64_t>(text.size()));
      CHECK(tokenizer.encode(text).ids == tokens.ids);
    }
  }
}

TEST_CASE("law: what is decoded encodes to the same ids") {
  for (const bool cased : {false, true}) {
    const WordPiece tokenizer = with_letters(cased);
    for (uint64_t seed = 0; seed < 300; ++seed) {
      const std::vector<int32_t> ids = tokenizer.encode(random_text(seed)).ids;
      const std::string text = tokenizer.decode(ids);
      CAPTURE(text);
      CHECK(tokenizer.encode(text).ids == ids);
    }
  }
}

TEST_CASE("law: a span holds what its piece says") {
  const WordPiece tokenizer = with_letters(false);
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const std::string text = random_text(seed);
    const Tokens tokens = tokenizer.encode(text);
    for (size_t t = 0; t < tokens.ids.size(); ++t) {
      const std::string piece = tokenizer.piece(tokens.ids[t]);
      const Span& span = tokens.spans[t];
      const std::string part = text.substr(static_cast<size_t>(span.begin), static_cast<size_t>(span.end - span.begin));
      std::string read;
      if (tokenizer.vocabulary().is_special(tokens.ids[t])) continue;
      for_each_bert_word(part, Casing::kUncased, [&](const BertWord& word) { read += word.bytes; });
      CAPTURE(part);
      CHECK(read.find(piece.starts_with("##") ? piece.substr(2) : piece) != std::string::npos);
    }
  }
}

TEST_CASE("the longest piece first, and [UNK] for a word that cannot be cut or is too long") {
  const WordPiece tokenizer = with_pieces({"un", "##aff", "##able", "##a", "una", "##ff", "a", "##b"});
  CHECK(pieces_of(tokenizer, "unaffable a") == "una ##ff ##able a");
  CHECK(pieces_of(tokenizer, "unaffabl a") == "[UNK] a");
  CHECK(pieces_of(tokenizer, std::string(100, 'a')).starts_with("a ##a ##a"));
  CHECK(pieces_of(tokenizer, std::string(101, 'a')) == "[UNK]");
  CHECK(tokenizer.encode("a " + std::string(101, 'a')).spans == std::vector<Span>{{0, 1}, {2, 103}});
  CHECK(tokenizer.encode("una unab!").words == std::vector<int32_t>{0, 1, 1, 2});
}

TEST_CASE("a token in brackets says nothing of the vocabulary's case") {
  std::vector<std::string> pieces{"[PAD]",  "[NUM]", "[unused1]", "[UNK]", "[CLS]", "[SEP]",
                                  "[MASK]", "hello", "world",     "##s",   "cafe"};
  const WordPiece tokenizer(pieces);
  CHECK(tokenizer.casing() == Casing::kUncased);
  CHECK(pieces_of(tokenizer, "Hello Worlds Caf\xc3\xa9") == "hello world ##s cafe");
  pieces[1] = "<URL>";
  CHECK(WordPiece(pieces).casing() == Casing::kUncased);
  for (const std::string capital : {"NUM", "##S", "[N", "N]", "<N]", "\xc3\x89"}) {
    pieces[1] = capital;
    CHECK(WordPiece(pieces).casing() == Casing::kCased);
  }
}

TEST_CASE("cased: letters stay as they are") {
  const WordPiece tokenizer = with_pieces({"Ab", "##C", "ab", "\xc3\x89t\xc3\xa9"});
  CHECK(pieces_of(tokenizer, "Ab AbC ab \xc3\x89t\xc3\xa9") == "Ab Ab ##C ab \xc3\x89t\xc3\xa9");
  CHECK(pieces_of(with_pieces({"ab", "##c", "ete"}), "Ab AbC ab \xc3\x89t\xc3\xa9") == "ab ab ##c ab ete");
}

TEST_CASE("special tokens in a text are themselves, and belong to no word") {
  const WordPiece tokenizer = with_pieces({"a", "[", "]", "mask"});
  CHECK(pieces_of(tokenizer, "a[MASK]a [mask] [MASK [SEP][PAD]") == "a [MASK] a [ mask ] [ mask [SEP] [PAD]");
  const Tokens tokens = tokenizer.encode("a [MASK] a");
  CHECK(tokens.words == std::vector<int32_t>{0, kNoWord, 1});
  CHECK(tokens.spans == std::vector<Span>{{0, 1}, {2, 8}, {9, 10}});
  CHECK(tokenizer.decode(tokens.ids) == "a [MASK] a");
}

TEST_CASE("bytes that are not UTF-8 are dropped, wherever they stand") {
  const WordPiece tokenizer = with_pieces({"a", "##b", "\xe4\xb8\xad"});
  CHECK(pieces_of(tokenizer,
                  "a\xff"
                  "b \xe4\xb8") == "a ##b");
  CHECK(tokenizer
            .encode("\xc3\xc3"
                    "a\xf0\x9f"
                    "b")
            .spans == std::vector<Span>{{2, 3}, {5, 6}});
  for (const char* bad : {"\xff", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80", "\xf8\x88\x80\x80\x80", ""})
    CHECK(tokenizer.encode(bad).ids.empty());
}

TEST_CASE("a piece is found as the vocabulary writes it") {
  const WordPiece tokenizer = with_pieces({"the", "##ing", "#"});
  for (int32_t id = 0; id < tokenizer.vocabulary().size; ++id) CHECK(tokenizer.find(tokenizer.piece(id)) == id);
  for (const char* unknown : {"", "th", "then", "ing", "##the", "##", "[mask]"})
    CHECK(tokenizer.find(unknown) == std::nullopt);
}

TEST_CASE("words are masked whole") {
  const WordPiece tokenizer = with_pieces({"un", "##a", "##ff", "b"});
  const Tokens tokens = tokenizer.encode("unaff b [MASK] zz");
  const std::vector<Word> words = maskable_words({tokens.ids, tokens.words}, tokenizer.vocabulary(), true);
  REQUIRE(words.size() == 2);  // neither [MASK] nor [UNK]
  CHECK(words[0].end - words[0].begin == 3);
  CHECK(words[1].begin == 3);
}

TEST_CASE("equal digests are equal vocabularies") {
  CHECK(with_pieces({"a", "b"}).digest() == with_pieces({"a", "b"}).digest());
  CHECK(with_pieces({"a", "b"}).digest() != with_pieces({"b", "a"}).digest());
  CHECK(with_pieces({"a", "b"}).digest() != with_pieces({"ab"}).digest());
  CHECK(with_pieces({"a"}).digest() != ByteTokenizer().digest());
}

TEST_CASE("a vocabulary that lacks something is refused") {
  CHECK(message({"[PAD]", "[CLS]", "[SEP]", "[MASK]", "a"}) ==
        "WordPiece: a vocabulary must hold [UNK], and this one does not");
  CHECK(message({}) == "WordPiece: a vocabulary must hold [PAD], and this one does not");
  CHECK(message(kSpecials) == "WordPiece: a vocabulary must hold more than the special tokens, and this one does not");
  const auto with = [](std::vector<std::string> more) {
    more.insert(more.begin(), kSpecials.begin(), kSpecials.end());
    return message(more);
  };
  CHECK(with({"a", "b", "a"}) == "WordPiece: pieces must differ, got \"a\" twice");
  CHECK(with({"##", "[PAD]"}) == "WordPiece: pieces must differ, got \"[PAD]\" twice");
  CHECK(with({"a", ""}) == "WordPiece: pieces must be UTF-8 and not empty; piece 6 is not");
  CHECK(with({"\xff"}) == "WordPiece: pieces must be UTF-8 and not empty; piece 5 is not");
  CHECK(with({"##"}) == "accepted");
}

TEST_CASE("vocab.txt: one piece a line, however lines end") {
  CHECK(parse_vocabulary("a\nb\n", "f") == std::vector<std::string>{"a", "b"});
  CHECK(parse_vocabulary("\xef\xbb\xbf"
                         "a\r\n##b",
                         "f") == std::vector<std::string>{"a", "##b"});
  CHECK(parse_vocabulary("a\rb\r", "f") == std::vector<std::string>{"a", "b"});
  CHECK(parse_vocabulary("", "f").empty());
  CHECK(refusal("a\nb\r\na\n") == "read_vocabulary: f:3: pieces must differ, got \"a\" as on line 1");
  CHECK(refusal("a\n\nb") == "read_vocabulary: f:2: must hold a piece, got an empty line");
  CHECK(refusal("a\n\xc3\x28\n") == "read_vocabulary: f:2: must be UTF-8, which it is not");
}

TEST_CASE("a written vocabulary reads back") {
  const TempDir folder;
  std::vector<std::string> pieces = kSpecials;
  pieces.push_back("\xc3\xa9");
  write_vocabulary(folder / "vocab.txt", pieces);
  CHECK(read_vocabulary(folder / "vocab.txt") == pieces);
  CHECK(read_wordpiece(folder / "vocab.txt").piece(5) == "\xc3\xa9");
  const std::string empty = folder.write("empty.txt", "").string();
  CHECK_THROWS_WITH_AS(read_wordpiece(empty),
                       (empty + ": WordPiece: a vocabulary must hold [PAD], and this one does not").c_str(), Error);
  CHECK_THROWS_AS(read_wordpiece(folder / "none.txt"), Error);
}
