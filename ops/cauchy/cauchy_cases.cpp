#include "ops/cauchy/cauchy.h"
#include "ops/common/cases.h"

namespace matmix {

std::vector<OpCase> cauchy_cases() {
  using Strides = OpArgument::Strides;
  const auto arguments = [](int64_t B, int64_t of_q, int64_t of_k, int64_t L) {
    return std::vector<OpArgument>{{"q", {of_q, L, 2, 3}, -2, 2, Strides::kAny},
                                   {"k", {of_k, L, 2, 3}, -2, 2, Strides::kAny},
                                   {"v", {B, L, 2, 4}, -2, 2, Strides::kAny}};
  };
  const auto with_bias = [](std::vector<OpArgument> all, double low, double high) {
    all.push_back({"bias", {1}, low, high, Strides::kContiguous, true});
    return all;
  };
  const auto product = [](const CauchyOptions& options) {
    return [options](const std::vector<Var>& x) {
      return std::vector{cauchy(x[0], x[1], x[2], x.size() > 3 ? x[3] : Var(), options)};
    };
  };
  const auto matrix = [](const std::vector<Var>& x) {
    return std::vector{cauchy_matrix(x[0], x[1], x.back(), {.scale = 0.5})};
  };
  // Differences move the ends of the interval, so the sums must be as good as exact.
  const CauchyOptions sums{.scale = 0.5, .accuracy = 1e-14, .max_terms = 64};
  return {
      {.op = "cauchy",
       .variant = "sums",
       .arguments = with_bias(arguments(2, 2, 2, 7), 0.2, 1),
       .function = product(sums)},
      {.op = "cauchy",
       .variant = "sums, more than a tile, negative bias",
       .arguments = with_bias(arguments(1, 1, 1, 70), -1, -0.2),
       .function = product(sums)},
      {.op = "cauchy", .variant = "sums, one row of q", .arguments = arguments(2, 1, 2, 5), .function = product(sums)},
      {.op = "cauchy",
       .variant = "entries",
       .arguments = with_bias(arguments(2, 2, 1, 6), 0.2, 1),
       .function = product({.scale = 0.5, .max_terms = 0})},
      {.op = "cauchy", .variant = "entries, L = 1", .arguments = arguments(1, 1, 1, 1), .function = product({})},
      {.op = "cauchy_matrix",
       .variant = "",
       .arguments =
           with_bias({{"q", {2, 5, 2, 3}, -2, 2, Strides::kAny}, {"k", {1, 5, 2, 3}, -2, 2, Strides::kAny}}, 0.2, 1),
       .function = matrix},
  };
}

}  // namespace matmix
