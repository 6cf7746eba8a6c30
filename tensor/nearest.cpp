#include "tensor/nearest.h"

#include <algorithm>
#include <numeric>

namespace matmix {

int64_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<int64_t> row(b.size() + 1);  // row[j]: from the first i characters of a to the first j of b
  std::iota(row.begin(), row.end(), 0);
  for (const char c : a) {
    int64_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const int64_t replaced = diagonal + (c != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string nearest_names(std::string_view name, std::vector<std::string> known) {
  std::ranges::stable_sort(known, {}, [&](const std::string& k) { return edit_distance(k, name); });
  known.resize(std::min<size_t>(known.size(), 3));
  std::string out;
  for (size_t i = 0; i < known.size(); ++i)
    out += (i == 0 ? "'" : i + 1 < known.size() ? ", '" : " or '") + known[i] + "'";
  return out;
}

}  // namespace matmix
