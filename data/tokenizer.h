#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace matmix::data {

/// The ids a tokenizer makes: [0, size), among them five that stand for no text.
struct Vocabulary {
  int32_t size = 0;
  int32_t pad = 0, cls = 0, sep = 0, mask = 0, unk = 0;

  bool is_special(int32_t id) const { return id == pad || id == cls || id == sep || id == mask || id == unk; }
};

/// How the special tokens are written.
struct SpecialToken {
  std::string_view text;
  int32_t Vocabulary::*id;
};
inline constexpr SpecialToken kSpecialTokens[] = {{"[PAD]", &Vocabulary::pad},
                                                  {"[UNK]", &Vocabulary::unk},
                                                  {"[CLS]", &Vocabulary::cls},
                                                  {"[SEP]", &Vocabulary::sep},
                                                  {"[MASK]", &Vocabulary::mask}};

/// Bytes [begin, end) of a text.
struct Span {
  int64_t begin = 0, end = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

/// Tokens that belong to no word (white space, special tokens) have this word.
inline constexpr int32_t kNoWord = -1;

/// A tokenised text: for each token its id, the number of the word it is a piece of, and where in the text it stands.
/// Words are numbered 0, 1, ... from the left and their tokens are neighbours.
struct Tokens {
  std::vector<int32_t> ids;
  std::vector<int32_t> words;
  std::vector<Span> spans;

  void add(int32_t id, int32_t word, const Span& span);
  /// Keeps the first `count` tokens.
  void cut(size_t count);
};

/// Text to ids and back. Immutable, so that threads may share it.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual const Vocabulary& vocabulary() const = 0;
  /// Any bytes. Adds no special tokens.
  virtual Tokens encode(std::string_view text) const = 0;
  /// One token as the vocabulary writes it; special ones as "[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]". Error if the
  /// id is not in the vocabulary.
  std::string piece(int32_t id) const;
  /// The text of the ids. Error if one is not in the vocabulary.
  std::string decode(std::span<const int32_t> ids) const;
  /// A hash of all pieces: tokenizers with equal digests give ids the same meaning.
  uint64_t digest() const;

 private:
  /// Of an id that is in the vocabulary.
  virtual std::string do_piece(int32_t id) const = 0;
  /// Adds a piece to the text of those before it.
  virtual void append(std::string& text, std::string_view piece) const { text += piece; }
};

/// One token a byte, ids 0 .. 255, and then the special ones. A word is a longest run of bytes that are not ASCII white
/// space. Text that is not UTF-8 is as good as any: decode(encode(text)) == text.
class ByteTokenizer final : public Tokenizer {
 public:
  const Vocabulary& vocabulary() const override;
  Tokens encode(std::string_view text) const override;

 private:
  std::string do_piece(int32_t id) const override;
};

}  // namespace matmix::data
