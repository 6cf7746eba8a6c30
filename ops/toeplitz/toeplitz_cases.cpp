#include "ops/common/cases.h"
#include "ops/toeplitz/toeplitz.h"

namespace matmix {
namespace {

using Strides = OpArgument::Strides;

OpCase toeplitz_product(const char* variant, int64_t rows, const Shape& x, double scale = 1) {
  return {"toeplitz",
          variant,
          {{"taps", {rows, 2 * x[1] - 1, x[2]}, -2, 2, Strides::kAny}, {"x", x, -2, 2, Strides::kAny}},
          [=](const std::vector<Var>& in) { return std::vector{toeplitz(in[0], in[1], scale)}; }};
}
OpCase toeplitz_table(const char* variant, const Shape& taps, double scale = 1) {
  return {"toeplitz_matrix", variant, {{"taps", taps, -2, 2, Strides::kAny}}, [=](const std::vector<Var>& in) {
            return std::vector{toeplitz_matrix(in[0], scale)};
          }};
}

}  // namespace

std::vector<OpCase> toeplitz_cases() {
  return {
      toeplitz_product("a filter for each row", 2, {2, 5, 2, 3}, 0.5),
      toeplitz_product("one row of filters", 1, {2, 4, 3, 2}),
      toeplitz_product("a filter for each channel", 1, {1, 6, 10, 1}),
      toeplitz_product("wide heads", 1, {1, 3, 1, 19}),
      toeplitz_product("L = 1", 1, {2, 1, 2, 2}),
      toeplitz_table("a filter for each row", {2, 7, 2}, 0.5),
      toeplitz_table("L = 1", {1, 1, 3}),
  };
}

}  // namespace matmix
