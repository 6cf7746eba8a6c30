#include "ops/common/cases.h"
#include "ops/matmul/matmul.h"

namespace matmix {
namespace {

using Strides = OpArgument::Strides;

OpCase product(const char* variant, const Shape& a, const Shape& b, const MatmulOptions& options = {}) {
  return {"matmul",
          variant,
          {{"a", a, -2, 2, Strides::kAny}, {"b", b, -2, 2, Strides::kAny}},
          [options](const std::vector<Var>& in) { return std::vector{matmul(in[0], in[1], options)}; }};
}

}  // namespace

std::vector<OpCase> matmul_cases() {
  return {
      product("plain", {5, 7}, {7, 3}),
      product("a^T b", {7, 5}, {7, 3}, {.transpose_a = true}),
      product("a b^T, scaled", {5, 7}, {3, 7}, {.transpose_b = true, .scale = 0.5}),
      product("a^T b^T", {7, 5}, {3, 7}, {.transpose_a = true, .transpose_b = true}),
      product("batch", {2, 3, 4, 5}, {2, 3, 5, 3}),
      product("one b for all", {3, 4, 5}, {5, 2}, {}),
      product("one a for all, b^T", {4, 5}, {2, 3, 2, 5}, {.transpose_b = true}),
      product("broadcast both ways, a^T", {3, 1, 5, 4}, {2, 5, 2}, {.transpose_a = true}),
      product("row times column", {1, 6}, {6, 1}),
      product("column times row", {6, 1}, {1, 6}),
      product("no terms", {3, 0}, {0, 2}),
      product("no rows", {0, 4}, {4, 2}),
      product("no batch", {0, 3, 4}, {4, 2}),
  };
}

}  // namespace matmix
