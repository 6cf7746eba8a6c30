#include "ops/attention/attention.h"
#include "ops/common/cases.h"

namespace matmix {
namespace {

using namespace case_sizes;

OpCase attention_case(const char* variant, const AttentionOptions& options, int64_t L = kL, int64_t B_of_q = kB,
                      int64_t B_of_k = kB) {
  return {"attention",
          variant,
          {{"q", {B_of_q, L, kH, kN}}, {"k", {B_of_k, L, kH, kN}}, {"v", {kB, L, kH, kP}}},
          [=](const std::vector<Var>& in) { return std::vector{attention(in[0], in[1], in[2], options)}; }};
}

OpCase matrix_case(const char* variant, const AttentionOptions& options, int64_t B_of_k = kB) {
  return {"attention_matrix",
          variant,
          {{"q", {kB, kL, kH, kN}}, {"k", {B_of_k, kL, kH, kN}}},
          [=](const std::vector<Var>& in) { return std::vector{attention_matrix(in[0], in[1], options)}; }};
}

}  // namespace

std::vector<OpCase> attention_cases() {
  const Runs packed = Runs::of(kB, kL, {{0, 0, 4}, {0, 4, 2}, {1, 1, 5}});
  return {attention_case("", {}),
          attention_case("causal", {.causal = true}),
          attention_case("scale", {.scale = -0.5}),
          attention_case("runs", {.runs = packed}),
          attention_case("runs, causal", {.causal = true, .runs = packed}),
          attention_case("q and k of one row", {}, kL, 1, 1),
          attention_case("k of one row, runs", {.runs = packed}, kL, kB, 1),
          attention_case("one token", {}, 1),
          attention_case("no tokens", {}, 0),
          matrix_case("causal", {.causal = true}),
          matrix_case("scale, runs", {.scale = -0.5, .runs = packed}),
          matrix_case("k of one row", {}, 1)};
}

}  // namespace matmix
