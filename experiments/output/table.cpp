#include "experiments/output/table.h"
#include "experiments/output/print.h"

#include <fmt/core.h>
#include <algorithm>
#include <cmath>

namespace matmix::experiments {

void Table::head() const {
  std::vector<std::string> names;
  for (const auto& column : columns_) names.push_back(column.first);
  row(names);
}

void Table::row(const std::vector<std::string>& cells) const {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    const int width = columns_[i].second;
    line += width < 0 ? fmt::format("{:<{}}", cells[i], -width) : fmt::format("{:>{}}", cells[i], width);
  }
  print_out("{}\n", line.substr(0, line.find_last_not_of(' ') + 1));
  std::fflush(stdout);
}

std::string decimal(double x, int digits) {
  constexpr double kLong = 1e9;
  if (std::isnan(x)) return "-";
  return std::abs(x) < kLong ? fmt::format("{:.{}f}", x, digits) : fmt::format("{:.6g}", x);
}

std::string short_number(double x) {
  if (x == 0 || !std::isfinite(x)) return fmt::format("{}", x);
  const int decimals = std::clamp(2 - static_cast<int>(std::floor(std::log10(std::abs(x)))), 0, 6);
  return fmt::format("{:.{}f}", x, decimals);
}

}  // namespace matmix::experiments
