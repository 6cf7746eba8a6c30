#include "ops/common/cases.h"
#include "ops/low_rank/low_rank.h"

namespace matmix {

std::vector<OpCase> low_rank_cases() {
  using Strides = OpArgument::Strides;
  const auto arguments = [](int64_t B, int64_t of_streams, int64_t L, double low) {
    return std::vector<OpArgument>{{"q", {of_streams, L, 2, 3}, low, 2, Strides::kAny},
                                   {"k", {of_streams, L, 2, 3}, low, 2, Strides::kAny},
                                   {"v", {B, L, 2, 4}, -2, 2, Strides::kAny}};
  };
  const auto product = [](const LowRankOptions& options) {
    return [options](const std::vector<Var>& x) { return std::vector{low_rank(x[0], x[1], x[2], options)}; };
  };
  const auto matrix = [](const LowRankOptions& options) {
    return [options](const std::vector<Var>& x) { return std::vector{low_rank_matrix(x[0], x[1], options)}; };
  };
  const auto streams = [&](const std::vector<OpArgument>& all) {
    return std::vector<OpArgument>(all.begin(), all.begin() + 2);
  };
  const Runs runs = Runs::of(2, 7, {{0, 1, 3}, {0, 4, 1}, {1, 0, 2}, {1, 2, 5}});
  return {
      {.op = "low_rank",
       .variant = "whole rows",
       .arguments = arguments(2, 2, 5, -2),
       .function = product({.scale = 0.5})},
      {.op = "low_rank",
       .variant = "one row of streams, normalised",
       .arguments = arguments(2, 1, 4, 0.2),
       .function = product({.normalise = true})},
      {.op = "low_rank",
       .variant = "runs, normalised",
       .arguments = arguments(2, 2, 7, 0.2),
       .function = product({.scale = 0.5, .normalise = true, .runs = runs})},
      {.op = "low_rank", .variant = "L = 1", .arguments = arguments(1, 1, 1, -2), .function = product({})},
      {.op = "low_rank_matrix",
       .variant = "whole rows",
       .arguments = streams(arguments(2, 2, 4, -2)),
       .function = matrix({.scale = 0.5})},
      {.op = "low_rank_matrix",
       .variant = "runs, normalised",
       .arguments = streams(arguments(2, 1, 7, 0.2)),
       .function = matrix({.normalise = true, .runs = runs})},
  };
}

}  // namespace matmix
