#include "data/text.h"

#include <algorithm>
#include <string_view>

#include "tensor/error.h"
#include "tensor/file.h"

namespace matmix::data {

std::vector<std::string> read_text(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  std::string_view rest = bytes;
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
  std::vector<std::string> paragraphs;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") != std::string_view::npos) paragraphs.emplace_back(line);
  }
  require(!paragraphs.empty(), "read_text", path.native(), " must hold at least one line that is not blank");
  return paragraphs;
}

}  // namespace matmix::data
