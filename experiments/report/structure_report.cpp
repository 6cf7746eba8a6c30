#include "experiments/report/structure_report.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "tensor/compare.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

std::string order_line(const char* name, const mixers::Order& o) {
  if (o.rank == 0) return fmt::format("  {:<26}0\n", name);
  return fmt::format("  {:<26}{:<6}shares kept from {:.1e}, dropped from {:.1e}\n", name, o.rank, o.kept, o.dropped);
}

/// At 1, 2, 4, ... and the last, as shares of the first.
std::string decay_of(const std::vector<double>& s) {
  if (s.empty() || s[0] == 0) return "all 0";
  std::string places, shares;
  for (size_t k = 1; k <= s.size(); k = k < s.size() ? std::min(2 * k, s.size()) : k + 1) {
    places += fmt::format("{:>9}", k);
    shares += fmt::format("{:>9.1e}", s[k - 1] / s[0]);
  }
  return fmt::format("{}\n  {:<26}{}", places, fmt::format("  as shares of {:.4g}", s[0]), shares);
}

}  // namespace

StructureReport measure_structure(const Tensor& M, const mixers::RankRule& rule) {
  const int64_t L = M.dim(0);
  StructureReport r{.L = L,
                    .quasiseparable = mixers::quasiseparable_orders(M, rule),
                    .semiseparable = mixers::semiseparable_orders(M, rule),
                    .rank = mixers::rank(M, rule),
                    .singular_values = mixers::singular_values(M)};
  for (const double x : to_vector<double>(M)) r.largest = std::max(r.largest, std::abs(x));
  const Tensor Z = mixers::shift_matrix(L);
  r.toeplitz = mixers::displacement_rank(M, Z, Z, rule.tolerance);
  r.hankel = mixers::displacement_rank(M, Z, Z.transpose(0, 1), rule.tolerance);
  const int64_t N = std::max<int64_t>({r.quasiseparable.below.rank, r.quasiseparable.above.rank, 1});
  if (4 * N <= L) r.realized_error = relative_error(mixers::quasiseparable_matrix(mixers::realize(M, N)), M);
  return r;
}

std::string to_text(const StructureReport& r) {
  const auto& [below, above] = r.semiseparable;
  std::string out = order_line("order below the diagonal", r.quasiseparable.below) +
                    order_line("order above the diagonal", r.quasiseparable.above) +
                    fmt::format("  {:<26}{} below, {} above\n", "  with the diagonal", below.rank, above.rank);
  if (r.realized_error >= 0)
    out +=
        fmt::format("  {:<26}{} states a direction give it back to {:.1e}\n", "  realised",
                    std::max<int64_t>({r.quasiseparable.below.rank, r.quasiseparable.above.rank, 1}), r.realized_error);
  return out + fmt::format("  {:<26}{} of {}\n", "rank", r.rank, r.L) +
         fmt::format("  {:<26}{} Toeplitz, {} Hankel\n", "displacement rank", r.toeplitz, r.hankel) +
         fmt::format("  {:<26}{}\n", "singular values", decay_of(r.singular_values));
}

void put(JsonLine& line, const StructureReport& r) {
  line.put("length", r.L).put("largest", r.largest);
  const auto put_order = [&line](const std::string& side, const mixers::Order& o) {
    line.put("order_" + side, o.rank).put("kept_" + side, o.kept).put("dropped_" + side, o.dropped);
  };
  put_order("below", r.quasiseparable.below);
  put_order("above", r.quasiseparable.above);
  line.put("semiseparable_below", r.semiseparable.below.rank)
      .put("semiseparable_above", r.semiseparable.above.rank)
      .put("rank", r.rank)
      .put("toeplitz_displacement", r.toeplitz)
      .put("hankel_displacement", r.hankel)
      .put("singular_values", r.singular_values);
  if (r.realized_error >= 0)
    line.put("realized_error", r.realized_error);
  else
    line.put_null("realized_error");
}

}  // namespace matmix::experiments
