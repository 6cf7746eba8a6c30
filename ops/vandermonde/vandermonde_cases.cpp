#include "ops/common/cases.h"
#include "ops/vandermonde/vandermonde.h"

namespace matmix {

std::vector<OpCase> vandermonde_cases() {
  using Strides = OpArgument::Strides;
  const auto arguments = [](int64_t B, int64_t of_q, int64_t of_k, int64_t L) {
    return std::vector<OpArgument>{{"q", {of_q, L, 2, 3}, -2, 2, Strides::kAny},
                                   {"k", {of_k, L, 2, 3}, -2, 2, Strides::kAny},
                                   {"v", {B, L, 2, 4}, -2, 2, Strides::kAny}};
  };
  const auto streams = [](const std::vector<OpArgument>& all) {
    return std::vector<OpArgument>(all.begin(), all.begin() + 2);
  };
  // The series is the CPU's alone.
  const auto product = [](VandermondeOptions options, VandermondeForm form) {
    return [=](const std::vector<Var>& x) mutable {
      options.form = x[0].device() != kCpu && form == VandermondeForm::kSeries ? VandermondeForm::kAuto : form;
      return std::vector{vandermonde(x[0], x[1], x[2], options)};
    };
  };
  const auto matrix = [](const VandermondeOptions& options) {
    return [options](const std::vector<Var>& x) { return std::vector{vandermonde_matrix(x[0], x[1], options)}; };
  };
  using Form = VandermondeForm;
  return {
      {.op = "vandermonde",
       .variant = "entries",
       .arguments = arguments(2, 2, 1, 7),
       .function = product({.scale = 0.5, .eps = 0.05}, Form::kEntries)},
      {.op = "vandermonde",
       .variant = "entries, sum",
       .arguments = arguments(1, 1, 1, 6),
       .function = product({.scale = 0.5, .eps = 0.05, .sign = 1}, Form::kEntries)},
      {.op = "vandermonde",
       .variant = "series",
       .arguments = arguments(2, 1, 2, 6),
       .function = product({.eps = 0.02}, Form::kSeries)},
      {.op = "vandermonde",
       .variant = "series, sum",
       .arguments = arguments(1, 1, 1, 6),
       .function = product({.eps = 0.02, .sign = 1}, Form::kSeries)},
      {.op = "vandermonde",
       .variant = "grid",
       .arguments = arguments(2, 2, 1, 9),
       .function = product({.scale = 0.5, .eps = 0.2, .accuracy = 1e-14}, Form::kGrid)},
      {.op = "vandermonde",
       .variant = "grid, sum",
       .arguments = arguments(1, 1, 1, 5),
       .function = product({.eps = 0.2, .sign = 1, .accuracy = 1e-14}, Form::kGrid)},
      {.op = "vandermonde",
       .variant = "grid, angles small and not",
       .arguments = arguments(2, 1, 2, 10),
       .function = product({.eps = 0.02, .accuracy = 1e-14}, Form::kGrid)},
      {.op = "vandermonde",
       .variant = "grid, L = 1",
       .arguments = arguments(2, 1, 1, 1),
       .function = product({.sign = 1, .accuracy = 1e-14}, Form::kGrid)},
      {.op = "vandermonde",
       .variant = "L = 1",
       .arguments = arguments(2, 1, 1, 1),
       .function = product({.sign = 1}, Form::kAuto)},
      {.op = "vandermonde_matrix",
       .variant = "difference",
       .arguments = streams(arguments(1, 2, 1, 5)),
       .function = matrix({.scale = 0.5, .eps = 0.05})},
      {.op = "vandermonde_matrix",
       .variant = "sum",
       .arguments = streams(arguments(1, 1, 1, 5)),
       .function = matrix({.eps = 0.05, .sign = 1})},
  };
}

}  // namespace matmix
