#pragma once

#include <string>
#include <vector>

#include "experiments/report/heat_map.h"

namespace matmix::experiments {

enum class TerminalColour { kNone, k256, kTrue };

/// What stdout can show: nothing but letters where it is no terminal, TERM is dumb or NO_COLOR is set; 24 bits where
/// COLORTERM says so.
TerminalColour terminal_colour();
/// Columns of the terminal; 120 where that is not known.
int64_t terminal_width();

/// Lines of map.columns() characters: a half block for two entries, one above the other, in colour; else a letter each.
std::vector<std::string> draw(const HeatMap& map, TerminalColour colour);

/// A heat map with a line of words above it.
struct Panel {
  std::string caption;
  HeatMap map;
};
/// As many panels beside each other as fit into `width` columns, the others below them.
std::string draw(const std::vector<Panel>& panels, TerminalColour colour, int64_t width);

}  // namespace matmix::experiments
