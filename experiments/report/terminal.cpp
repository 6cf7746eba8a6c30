#include "experiments/report/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "experiments/output/print.h"

namespace matmix::experiments {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// The nearest of the 6 x 6 x 6 colours of 256-colour terminals.
int index_of(const Colour& c) {
  const auto step = [](uint8_t x) { return x < 48 ? 0 : x < 115 ? 1 : (x - 35) / 40; };
  return 16 + 36 * step(c.r) + 6 * step(c.g) + step(c.b);
}

/// The escape that sets the colour of letters (3) or of what is behind them (4).
std::string escape(int layer, const Colour& c, TerminalColour colour) {
  if (colour == TerminalColour::kTrue) return fmt::format("\x1b[{}8;2;{};{};{}m", layer, c.r, c.g, c.b);
  return fmt::format("\x1b[{}8;5;{}m", layer, index_of(c));
}

constexpr std::string_view kReset = "\x1b[0m", kUpperHalf = "\u2580";

/// Rows i and i + 1.
std::string half_blocks(const HeatMap& map, int64_t i, TerminalColour colour) {
  std::string line;
  for (int64_t j = 0; j < map.columns(); ++j) {
    line += escape(3, map.colour(i, j), colour);
    line += i + 1 < map.rows() ? escape(4, map.colour(i + 1, j), colour) : "\x1b[49m";
    line += kUpperHalf;
  }
  return line.append(kReset);
}

constexpr int64_t kGap = 2;

int64_t width_of(const Panel& p) { return std::max(p.map.columns(), static_cast<int64_t>(visible(p.caption).size())); }

std::string spaces(int64_t n) { return std::string(static_cast<size_t>(std::max<int64_t>(n, 0)), ' '); }

/// Panels [first, last) on the same lines.
std::string draw_row(const Panel* first, const Panel* last, TerminalColour colour) {
  std::vector<std::string> lines(1);
  int64_t left = 0;
  for (const Panel* p = first; p != last; ++p) {
    const std::vector<std::string> drawn = draw(p->map, colour);
    if (lines.size() <= drawn.size()) lines.resize(drawn.size() + 1, spaces(left));
    const std::string caption = visible(p->caption);
    lines[0] += caption + spaces(width_of(*p) - static_cast<int64_t>(caption.size()) + kGap);
    for (size_t i = 0; i + 1 < lines.size(); ++i)
      lines[i + 1] +=
          (i < drawn.size() ? drawn[i] : spaces(p->map.columns())) + spaces(width_of(*p) - p->map.columns() + kGap);
    left += width_of(*p) + kGap;
  }
  std::string out;
  for (std::string& line : lines) {
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace

TerminalColour terminal_colour() {
  if (isatty(STDOUT_FILENO) == 0 || environment("TERM") == "dumb" || !environment("NO_COLOR").empty())
    return TerminalColour::kNone;
  const std::string_view depth = environment("COLORTERM");
  return depth == "truecolor" || depth == "24bit" ? TerminalColour::kTrue : TerminalColour::k256;
}

int64_t terminal_width() {
  constexpr int64_t kUnknown = 120;
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUnknown;
}

std::vector<std::string> draw(const HeatMap& map, TerminalColour colour) {
  std::vector<std::string> lines;
  if (colour != TerminalColour::kNone) {
    for (int64_t i = 0; i < map.rows(); i += 2) lines.push_back(half_blocks(map, i, colour));
    return lines;
  }
  for (int64_t i = 0; i < map.rows(); ++i) {
    std::string& line = lines.emplace_back();
    for (int64_t j = 0; j < map.columns(); ++j) line += map.letter(i, j);
  }
  return lines;
}

std::string draw(const std::vector<Panel>& panels, TerminalColour colour, int64_t width) {
  std::string out;
  const Panel* const end = panels.data() + panels.size();
  for (const Panel* first = panels.data(); first != end;) {
    const Panel* last = first + 1;
    int64_t used = width_of(*first);
    while (last != end && used + kGap + width_of(*last) <= width) used += kGap + width_of(*last++);
    out += draw_row(first, last, colour);
    first = last;
  }
  return out;
}

}  // namespace matmix::experiments
