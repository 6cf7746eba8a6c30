#include "ops/cases.h"
#include "ops/toeplitz/toeplitz.h"

namespace matmix {
namespace {

constexpr auto kAny = OpArgument::Strides::kAny;

OpCase product(const char* variant, int64_t rows, const Shape& x, double scale = 1) {
  return {"toeplitz",
          variant,
          {{"taps", {rows, 2 * x[1] - 1, x[2]}, -2, 2, kAny}, {"x", x, -2, 2, kAny}},
          [=](const std::vector<Var>& in) { return std::vector{toeplitz(in[0], in[1], scale)}; },
          static_cast<double>(4 * x.numel())};
}
OpCase matrix(const char* variant, const Shape& taps, double scale = 1) {
  return {"toeplitz_matrix",
          variant,
          {{"taps", taps, -2, 2, kAny}},
          [=](const std::vector<Var>& in) { return std::vector{toeplitz_matrix(in[0], scale)}; },
          8};
}

}  // namespace

std::vector<OpCase> toeplitz_cases() {
  return {
      product("a filter for each row", 2, {2, 5, 2, 3}, 0.5),
      product("one row of filters", 1, {2, 4, 3, 2}),
      product("a filter for each channel", 1, {1, 6, 10, 1}),
      product("wide heads", 1, {1, 3, 1, 19}),
      product("L = 1", 1, {2, 1, 2, 2}),
      matrix("a filter for each row", {2, 7, 2}, 0.5),
      matrix("L = 1", {1, 1, 3}),
  };
}

}  // namespace matmix
