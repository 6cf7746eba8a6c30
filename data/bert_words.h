#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "data/tokenizer.h"

namespace matmix::data {

/// How letters are read: BERT's uncased models take them in lower case and without accents, cased ones as they are.
enum class Casing { kUncased, kCased };

/// One word of a text.
struct BertWord {
  std::string_view bytes;        ///< as BERT reads it, UTF-8, not empty
  std::span<const Span> origin;  ///< for each of the bytes the character of the text that it comes from
  int64_t characters = 0;        ///< of bytes
};

/// The words of a text, from the left: cleaned of control characters, cut at white space, around every punctuation
/// mark and every Chinese character. Uncased: decomposed (NFD; marks that stay keep the text's order), without accents,
/// in lower case. Bytes that are not UTF-8 count as U+FFFD, which BERT drops. What a BertWord points to is gone when
/// `sink` returns.  Source: tokenization.py (BasicTokenizer) of github.com/google-research/bert; which control
/// characters count, and the order of its steps, as in Hugging Face's tokenizers (private use is dropped too).
void for_each_bert_word(std::string_view text, Casing casing, const std::function<void(const BertWord&)>& sink);

/// Words of more characters are [UNK], whatever the vocabulary.
inline constexpr int64_t kLongestWord = 100;

/// Whether a character of such a word is always a word of its own.
bool stands_alone(int32_t code);

}  // namespace matmix::data
