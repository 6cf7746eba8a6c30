#include "data/text.h"

#include <algorithm>
#include <string_view>

#include "data/unicode.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace matmix::data {

namespace {

/// What a byte order mark says the bytes are; "" for UTF-8 and no mark.
std::string_view other_encoding(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.starts_with("\xff\xfe\0\0"sv) || bytes.starts_with("\0\0\xfe\xff"sv)) return "UTF-32";
  if (bytes.starts_with("\xff\xfe"sv) || bytes.starts_with("\xfe\xff"sv)) return "UTF-16";
  return "";
}

}  // namespace

std::string checked_utf8(std::string bytes, const char* reader, const std::string& where) {
  const std::string_view other = other_encoding(bytes);
  require(other.empty(), reader, where, ":1: must be UTF-8, got a byte order mark of ", other);
  const size_t wrong = first_not_utf8(bytes);
  if (wrong != std::string::npos) {
    const auto line = 1 + std::ranges::count(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(wrong), '\n');
    const auto byte = static_cast<unsigned char>(bytes[wrong]);
    constexpr std::string_view kDigits = "0123456789abcdef";
    fail(reader, where, ":", line, ": must be UTF-8, got the byte 0x",
         std::string{kDigits[byte / 16], kDigits[byte % 16]});
  }
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.erase(0, 3);
  return bytes;
}

std::string read_utf8(const std::filesystem::path& path, const char* reader) {
  return checked_utf8(read_file(path), reader, path.native());
}

std::vector<std::string_view> lines_of(std::string_view text) {
  const char end = text.find('\n') == std::string_view::npos ? '\r' : '\n';
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find(end));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> parse_text(std::string bytes, const std::string& where) {
  const std::string text = checked_utf8(std::move(bytes), "read_text", where);
  std::vector<std::string> paragraphs;
  for (const std::string_view line : lines_of(text))
    if (line.find_first_not_of(" \t") != std::string_view::npos) paragraphs.emplace_back(line);
  require(!paragraphs.empty(), "read_text", where, " must hold at least one line that is not blank");
  return paragraphs;
}

std::vector<std::string> read_text(const std::filesystem::path& path) {
  return parse_text(read_file(path), path.native());
}

}  // namespace matmix::data
