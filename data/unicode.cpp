#include "data/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace matmix::data {
namespace {

struct Block {
  int32_t first, last;
};
constexpr Block kIdeographs[] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},   {0x20000, 0x2a6df},
                                 {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f}, {0x2b820, 0x2ceaf}, {0x2f800, 0x2fa1f}};

bool is_line_space(int32_t code) { return code == '\t' || code == '\n' || code == '\r'; }

bool is_ascii_punctuation(int32_t code) {
  return (code >= 33 && code <= 47) || (code >= 58 && code <= 64) || (code >= 91 && code <= 96) ||
         (code >= 123 && code <= 126);
}

}  // namespace

Character first_character(std::string_view text) {
  int32_t code = 0;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto taken = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(std::min<size_t>(text.size(), 4)), &code);
  return taken > 0 ? Character{code, taken} : Character{kReplacement, 1};
}

size_t first_not_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Character c = first_character(text.substr(at));
    if (c.code == kReplacement && c.bytes == 1) return at;
    at += static_cast<size_t>(c.bytes);
  }
  return std::string_view::npos;
}

bool is_utf8(std::string_view text) { return first_not_utf8(text) == std::string_view::npos; }

void append_utf8(std::string& text, int32_t code) {
  std::array<utf8proc_uint8_t, 4> bytes;
  const auto count = utf8proc_encode_char(code, bytes.data());
  text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(count));
}

bool is_dropped(int32_t code) {
  if (code == 0 || code == kReplacement) return true;
  if (is_line_space(code)) return false;
  const auto category = utf8proc_category(code);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
}

bool is_white(int32_t code) {
  const auto category = utf8proc_category(code);
  return is_line_space(code) || (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP);
}

bool is_punctuation(int32_t code) {
  const auto category = utf8proc_category(code);
  return is_ascii_punctuation(code) || (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO);
}

bool is_ideograph(int32_t code) {
  return std::ranges::any_of(kIdeographs, [&](const Block& b) { return code >= b.first && code <= b.last; });
}

bool is_accent(int32_t code) { return utf8proc_category(code) == UTF8PROC_CATEGORY_MN; }

int32_t to_lower(int32_t code) { return utf8proc_tolower(code); }

int decompose(int32_t code, int32_t* out) {
  return static_cast<int>(utf8proc_decompose_char(code, out, kMaxDecomposed, UTF8PROC_DECOMPOSE, nullptr));
}

}  // namespace matmix::data
