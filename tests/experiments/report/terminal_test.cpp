#include "experiments/report/terminal.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "tensor/create.h"

using namespace matmix;
using namespace matmix::experiments;

namespace {

HeatMap ranks(int64_t rows, int64_t columns) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < rows * columns; ++i) values.push_back(i % 10);
  return HeatMap(from_vector(values, {rows, columns}), MapKind::kRanks, 9);
}

}  // namespace

TEST_CASE("without colour a letter an entry, a line a row") {
  CHECK(draw(ranks(2, 3), TerminalColour::kNone) == std::vector<std::string>{"012", "345"});
}

TEST_CASE("in colour a half block for two rows; below an odd last row the terminal's own colour") {
  const HeatMap map(from_vector<double>({0, 1, -1}, {3, 1}), MapKind::kSigned);
  CHECK(draw(map, TerminalColour::kTrue) ==
        std::vector<std::string>{"\x1b[38;2;255;255;255m\x1b[48;2;103;0;31m\u2580\x1b[0m",
                                 "\x1b[38;2;5;48;97m\x1b[49m\u2580\x1b[0m"});
  CHECK(draw(map, TerminalColour::k256) ==
        std::vector<std::string>{"\x1b[38;5;231m\x1b[48;5;52m\u2580\x1b[0m", "\x1b[38;5;23m\x1b[49m\u2580\x1b[0m"});
}

TEST_CASE("panels stand beside each other while there is room") {
  const std::vector<Panel> panels{{"a", ranks(2, 3)}, {"longer", ranks(2, 2)}, {"c", ranks(1, 4)}};
  CHECK(draw(panels, TerminalColour::kNone, 17) ==
        "a    longer  c\n"
        "012  01      0123\n"
        "345  23\n");
  CHECK(draw(panels, TerminalColour::kNone, 16) ==
        "a    longer\n"
        "012  01\n"
        "345  23\n"
        "c\n"
        "0123\n");
  CHECK(draw({{"", ranks(1, 2)}}, TerminalColour::kNone, 1) == "\n01\n");
}

TEST_CASE("no colours where stdout is no terminal") {
  if (isatty(1) == 0) CHECK(terminal_colour() == TerminalColour::kNone);
}
