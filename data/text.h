#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace matmix::data {

/// The text of a file, without a byte order mark at its start. Error "READER: FILE:LINE: must be UTF-8 ..." where it is not;
/// UTF-16 and UTF-32 are called by their names where a mark tells them.
std::string read_utf8(const std::filesystem::path& path, const char* reader);
/// The same of bytes from elsewhere; `where` names them in errors.
std::string checked_utf8(std::string bytes, const char* reader, const std::string& where);

/// The paragraphs of a plain text file in UTF-8, one per line. Blank lines and carriage returns at line ends are dropped;
/// in a file without any newline carriage returns end the lines. Error as of read_utf8, and if there is no paragraph.
std::vector<std::string> read_text(const std::filesystem::path& path);

}  // namespace matmix::data
