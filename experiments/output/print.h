#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <type_traits>

namespace matmix::experiments {

/// A text as it may be shown to people: control characters (but newline and tab), bytes that are not UTF-8 and marks
/// that turn the direction of what follows stand as \x1b, \u202e, so that no name or file steers a terminal.
std::string visible(std::string_view text);
/// The same of a name or a result, which is no text of several lines: newlines and tabs stand as \x0a and \x09 too.
std::string visible_in_line(std::string_view text);

/// What print_out makes of an argument.
template <class T>
inline constexpr bool is_text = std::is_convertible_v<const T&, std::string_view>;
template <class T>
using Shown = std::conditional_t<is_text<T>, std::string, T>;
template <class T>
Shown<T> shown(const T& x) {
  if constexpr (is_text<T>)
    return visible_in_line(x);
  else
    return x;
}

/// As it is: pictures in colours, JSON. What cannot be written is told by stdout_failed().
void print_raw(std::string_view text);
/// Text of several lines for people on stdout, made visible().
void print_visible(std::string_view text);
/// A sentence or row for people on stdout, what goes into it made visible_in_line().
template <class... Args>
void print_out(fmt::format_string<Shown<Args>...> format, const Args&... args) {
  print_raw(fmt::format(format, shown(args)...));
}
/// Whether something that was printed to stdout did not reach it; flushes first.
bool stdout_failed();

/// A word on stderr about what goes on. A courtesy: where it cannot be written, nobody reads it and the program goes on,
/// also if stderr is a pipe that was closed.
void print_aside_raw(std::string_view text);
template <class... Args>
void print_aside(fmt::format_string<Shown<Args>...> format, const Args&... args) {
  print_aside_raw(fmt::format(format, shown(args)...));
}

/// Puts something that refuses every byte where the program was started with stdin, stdout or stderr closed: else the
/// next file to be opened would take their place, and what is printed would go into it.
void hold_standard_streams();

}  // namespace matmix::experiments
