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

/// Tokens that belong to no word (white space, special tokens) have this word.
inline constexpr int32_t kNoWord = -1;

/// A tokenised text: for each token its id, and the number of the word it is a piece of. Words are numbered 0, 1, ...
/// from the left and their tokens are neighbours.
struct Tokens {
  std::vector<int32_t> ids;
  std::vector<int32_t> words;
};

/// Text to ids and back. Immutable, so that threads may share it.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual const Vocabulary& vocabulary() const = 0;
  /// Any bytes. Adds no special tokens.
  virtual Tokens encode(std::string_view text) const = 0;
  /// The text of the ids; special tokens as "[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]". Error if an id is not in the
  /// vocabulary.
  std::string decode(std::span<const int32_t> ids) const;

 private:
  /// The text of ids that are in the vocabulary and not special.
  virtual std::string do_decode(std::span<const int32_t> ids) const = 0;
};

/// One token a byte, ids 0 .. 255, and then the special ones. A word is a longest run of bytes that are not ASCII white
/// space. Text that is not UTF-8 is as good as any: decode(encode(text)) == text.
class ByteTokenizer final : public Tokenizer {
 public:
  const Vocabulary& vocabulary() const override;
  Tokens encode(std::string_view text) const override;

 private:
  std::string do_decode(std::span<const int32_t> ids) const override;
};

}  // namespace matmix::data
