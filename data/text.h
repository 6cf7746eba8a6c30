#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace matmix::data {

/// The paragraphs of a plain text file, one a line. Blank lines, a byte order mark at the start and carriage returns
/// at line ends are dropped; any other bytes are kept. Error if the file cannot be read or holds no paragraph.
std::vector<std::string> read_text(const std::filesystem::path& path);

}  // namespace matmix::data
