#include "experiments/output/print.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <ctime>

#include "data/unicode.h"

namespace matmix::experiments {
namespace {

bool steers_a_terminal(int32_t code) {
  const bool control = (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code < 0xa0);
  const bool turns = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0x200e ||
                     code == 0x200f || code == 0x061c;
  return control || turns || code == 0x2028 || code == 0x2029;
}

}  // namespace

std::string visible(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    const data::Character c = byte < 0x80 ? data::Character{byte, 1} : data::first_character(text);
    if (c.code == data::kReplacement && c.bytes == 1)
      shown += fmt::format("\\x{:02x}", byte);
    else if (steers_a_terminal(c.code))
      shown += fmt::format(fmt::runtime(c.code < 0x100 ? "\\x{:02x}" : "\\u{:04x}"), c.code);
    else
      shown += text.substr(0, static_cast<size_t>(c.bytes));
    text.remove_prefix(static_cast<size_t>(c.bytes));
  }
  return shown;
}

std::string visible_in_line(std::string_view text) {
  std::string shown;
  for (const char c : visible(text)) c == '\n' || c == '\t' ? shown += fmt::format("\\x{:02x}", c) : shown += c;
  return shown;
}

void print_raw(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void print_visible(std::string_view text) { print_raw(visible(text)); }

bool stdout_failed() { return std::fflush(stdout) != 0 || std::ferror(stdout) != 0; }

void print_aside_raw(std::string_view text) {
  sigset_t closed_pipe, before;
  sigemptyset(&closed_pipe);
  sigaddset(&closed_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &closed_pipe, &before);
  std::fwrite(text.data(), 1, text.size(), stderr);
  constexpr timespec kNow{};
  sigtimedwait(&closed_pipe, nullptr, &kNow);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void hold_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(descriptor, F_GETFD) < 0) ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

}  // namespace matmix::experiments
