#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/bert_words.h"
#include "data/piece_trie.h"
#include "data/tokenizer.h"

namespace matmix::data {

/// BERT's tokenizer. Each word (bert_words.h) is cut from the left into the longest pieces of the vocabulary, where
/// "##" marks those that go on with a word; a word that cannot be cut so, or has more than 100 characters, is [UNK].
/// "[PAD]", "[CLS]", "[SEP]", "[MASK]" and "[UNK]" in a text are these tokens. Uncased unless a piece has a letter
/// that lower-casing changes, which an uncased text cannot hold.
/// decode(encode(text)) is the text as BERT reads it, words apart by one space; encoding that gives the same ids.
/// Source: Devlin et al. 2019; tokenization.py (WordpieceTokenizer) of github.com/google-research/bert.
class WordPiece final : public Tokenizer {
 public:
  /// Piece i has id i. Error unless the pieces are different, UTF-8, not empty, and hold the five special ones and at
  /// least one more.
  explicit WordPiece(std::vector<std::string> pieces);

  const Vocabulary& vocabulary() const override { return vocabulary_; }
  Casing casing() const { return casing_; }
  Tokens encode(std::string_view text) const override;
  /// The id of a piece as the vocabulary writes it: "the", "##ing", "[MASK]".
  std::optional<int32_t> find(std::string_view piece) const;

 private:
  void encode_word(const BertWord& word, int64_t offset, int32_t number, Tokens& tokens) const;
  std::string do_piece(int32_t id) const override;
  void append(std::string& text, std::string_view piece) const override;

  std::vector<std::string> pieces_;
  Vocabulary vocabulary_;
  Casing casing_ = Casing::kUncased;
  PieceTrie trie_;
};

/// The pieces of a vocab.txt, one a line, its number (from 0) the id. Lines end as lines_of says, a byte order mark at
/// the start is dropped. Error "read_vocabulary: FILE:LINE: ..." for an empty line, one that is not UTF-8
/// and one that stood before.
std::vector<std::string> read_vocabulary(const std::filesystem::path& path);
/// The same from the bytes of a file; `where` stands for it in messages.
std::vector<std::string> parse_vocabulary(std::string_view bytes, std::string_view where);
/// Appears whole or not at all.
void write_vocabulary(const std::filesystem::path& path, const std::vector<std::string>& pieces);
/// The tokenizer of a vocab.txt; Errors name the file.
WordPiece read_wordpiece(const std::filesystem::path& path);
WordPiece parse_wordpiece(std::string bytes, const std::string& where);

}  // namespace matmix::data
