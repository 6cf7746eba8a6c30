#pragma once

#include <string>
#include <vector>

#include "experiments/output/json_line.h"
#include "mixers/structure.h"

namespace matmix::experiments {

/// What is said of one square matrix.
struct StructureReport {
  int64_t L = 0;
  double largest = 0;  ///< size of an entry
  mixers::Orders quasiseparable, semiseparable;
  int64_t rank = 0;
  int64_t toeplitz = 0, hankel = 0;     ///< displacement ranks: rank(Z M - M Z), rank(Z M - M Z')
  std::vector<double> singular_values;  ///< descending
  /// Relative error of the generators that hold M, where they are fewer than it has entries; else negative.
  double realized_error = -1;
};
StructureReport measure_structure(const Tensor& M, const mixers::RankRule& rule);

/// The report as indented lines.
std::string to_text(const StructureReport& report);
void put(JsonLine& line, const StructureReport& report);

}  // namespace matmix::experiments
