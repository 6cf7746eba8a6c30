#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace matmix::data {

/// The text of a file, without a byte order mark at its start. Error "READER: FILE:LINE: must be UTF-8 ..." where it is
/// not; UTF-16 and UTF-32 are called by their names where a mark tells them.
std::string read_utf8(const std::filesystem::path& path, const char* reader);
/// The same of bytes from elsewhere; `where` names them in errors.
std::string checked_utf8(std::string bytes, const char* reader, const std::string& where);

/// The lines of a text, without the newlines, or carriage returns and newlines, that end them; in a text without any
/// newline carriage returns end the lines. What follows the last end is a line if it is not empty.
std::vector<std::string_view> lines_of(std::string_view text);

/// The paragraphs of a plain text file in UTF-8, one per line, blank lines left out. Error as of read_utf8, and if there
/// is no paragraph.
std::vector<std::string> read_text(const std::filesystem::path& path);
/// The same of bytes from elsewhere; `where` names them in errors.
std::vector<std::string> parse_text(std::string bytes, const std::string& where);

}  // namespace matmix::data
