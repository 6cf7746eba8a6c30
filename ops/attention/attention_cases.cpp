#include "ops/attention/attention.h"
#include "ops/cases.h"

namespace matmix {
namespace {

constexpr int64_t kB = 2, kL = 7, kH = 2, kE = 3, kP = 4;

OpCase case_of(const char* variant, const AttentionOptions& options, int64_t L = kL, int64_t B_of_q = kB,
               int64_t B_of_k = kB) {
  return {"attention",
          variant,
          {{"q", {B_of_q, L, kH, kE}}, {"k", {B_of_k, L, kH, kE}}, {"v", {kB, L, kH, kP}}},
          [=](const std::vector<Var>& in) { return std::vector{attention(in[0], in[1], in[2], options)}; },
          static_cast<double>(kB * L * (kE + kP))};
}

}  // namespace

std::vector<OpCase> attention_cases() {
  const Runs packed = Runs::of(kB, kL, {{0, 0, 4}, {0, 4, 2}, {1, 1, 5}});
  return {case_of("", {}),
          case_of("causal", {.causal = true}),
          case_of("scale", {.scale = -0.5}),
          case_of("runs", {.runs = packed}),
          case_of("runs, causal", {.causal = true, .runs = packed}),
          case_of("q and k of one row", {}, kL, 1, 1),
          case_of("k of one row, runs", {.runs = packed}, kL, kB, 1),
          case_of("one token", {}, 1),
          case_of("no tokens", {}, 0)};
}

}  // namespace matmix
