#include "mixers/laws/law_report.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace matmix::mixers::laws {
namespace {

std::vector<int64_t> range(int64_t first, int64_t last) {
  std::vector<int64_t> all(static_cast<size_t>(last - first + 1));
  std::iota(all.begin(), all.end(), first);
  return all;
}

}  // namespace

double LawResult::strain() const {
  if (tolerance > 0 && std::isfinite(error)) return error / tolerance;
  return pass ? 0 : INFINITY;
}

void LawBook::add(const std::string& law, double error, double tolerance, const std::string& where) {
  const LawResult found{setting_.row.name, setting_.source,    setting_.dtype, setting_.device, law, error,
                        tolerance,         error <= tolerance, where};
  const auto known = std::ranges::find(results_, law, &LawResult::law);
  if (known == results_.end())
    results_.push_back(found);
  else if (known->pass && (!found.pass || found.strain() > known->strain()))
    *known = found;
}

std::vector<Sweep> sweeps(bool exhaustive) {
  if (exhaustive) return {{1, range(0, 17)}, {8, range(0, 40)}, {64, range(0, 200)}};
  return {{8, range(0, 17)}, {64, {63, 64, 65, 130}}};
}

std::vector<int64_t> unlike_lengths(int64_t L) { return {L, (L + 2) / 3, 0, L / 2, std::min<int64_t>(L, 1)}; }

std::string where_of(int64_t L, int64_t Q, const std::string& layout) { return text("L=", L, " Q=", Q, " ", layout); }

}  // namespace matmix::mixers::laws
