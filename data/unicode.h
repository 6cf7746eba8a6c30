#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace matmix::data {

/// A character of a text: its code point and how many bytes it takes.
struct Character {
  int32_t code = 0;
  int64_t bytes = 0;
};

/// Stands for what is not UTF-8.
inline constexpr int32_t kReplacement = 0xfffd;

/// The first character of a text that is not empty. A byte that begins no character is kReplacement, one byte long.
Character first_character(std::string_view text);
bool is_utf8(std::string_view text);
/// Where the first byte stands that is not of UTF-8; npos if all is.
size_t first_not_utf8(std::string_view text);
void append_utf8(std::string& text, int32_t code);

// What BERT asks of Unicode, for any code point; categories are those of Unicode 15.

/// Cc, Cf, Co, U+0000 and U+FFFD, but not tab, line feed and carriage return.
bool is_dropped(int32_t code);
/// Zs, Zl, Zp, tab, line feed and carriage return.
bool is_white(int32_t code);
/// The ASCII characters that are neither letter, digit, space nor control, and P*.
bool is_punctuation(int32_t code);
/// The blocks of Chinese characters, which BERT takes one by one.
bool is_ideograph(int32_t code);
/// Mn: the accents, once a letter is decomposed.
bool is_accent(int32_t code);
/// The lower-case letter, or the character itself.
int32_t to_lower(int32_t code);
/// The canonical decomposition (NFD) of one character; `out` has room for kMaxDecomposed. Returns how many there are.
inline constexpr int kMaxDecomposed = 8;
int decompose(int32_t code, int32_t* out);

}  // namespace matmix::data
