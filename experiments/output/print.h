#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace matmix::experiments {

/// A text as it may be shown to people: control characters (but newline and tab), bytes that are not UTF-8 and marks
/// that turn the direction of what follows stand as \x1b, \u202e, so that no name or file steers a terminal.
std::string visible(std::string_view text);

/// Text for people on stdout, made visible(). What cannot be written is told by stdout_failed().
void print_visible(std::string_view text);
template <class... Args>
void print_out(fmt::format_string<Args...> format, Args&&... args) {
  print_visible(fmt::format(format, std::forward<Args>(args)...));
}
/// As it is: pictures in colours, JSON.
void print_raw(std::string_view text);
/// Whether something that was printed to stdout did not reach it; flushes first.
bool stdout_failed();

/// A word on stderr about what goes on, made visible(). A courtesy: what cannot be written is left out.
void print_aside(std::string_view text);

}  // namespace matmix::experiments
