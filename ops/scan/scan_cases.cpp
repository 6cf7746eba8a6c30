#include "ops/common/cases.h"
#include "ops/elementwise/elementwise.h"
#include "ops/scan/scan.h"

namespace matmix {
namespace {

OpCase cumsum_case(const char* variant, int axis, const CumsumOptions& options) {
  return {"cumsum", variant, {{"x", {3, 5, 4}, -2, 2, OpArgument::Strides::kAny}}, [=](const std::vector<Var>& in) {
            return std::vector{cumsum(in[0], axis, options)};
          }};
}

/// Through exp, as decays are used: what lies outside the triangle is exactly 0.
OpCase segsum_case(const char* variant, bool reverse) {
  return {"segsum", variant, {{"x", {2, 6}, -1, 0.2, OpArgument::Strides::kAny}}, [=](const std::vector<Var>& in) {
            return std::vector{exp(segsum(in[0], reverse))};
          }};
}

}  // namespace

std::vector<OpCase> scan_cases() {
  return {
      cumsum_case("middle axis", 1, {}),
      cumsum_case("last axis", -1, {}),
      cumsum_case("reverse", 1, {.reverse = true}),
      cumsum_case("exclusive, last axis", -1, {.exclusive = true}),
      cumsum_case("reverse, exclusive", 0, {.reverse = true, .exclusive = true}),
      segsum_case("", false),
      segsum_case("reverse", true),
  };
}

}  // namespace matmix
