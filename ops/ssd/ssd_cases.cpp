#include "ops/common/cases.h"
#include "ops/layout/layout.h"
#include "ops/ssd/ssd.h"

namespace matmix {
namespace {

using namespace case_sizes;

/// The inputs by name, in the order of the case's arguments.
SsdInputs inputs_of(const std::vector<OpArgument>& arguments, const std::vector<Var>& in) {
  SsdInputs s;
  const std::pair<const char*, Var*> places[] = {
      {"dt", &s.dt}, {"dt_bias", &s.dt_bias}, {"A_log", &s.A_log},    {"A_im", &s.A_im}, {"B", &s.B},
      {"C", &s.C},   {"delta", &s.delta},     {"initial", &s.initial}};
  for (size_t i = 0; i < arguments.size(); ++i)
    for (const auto& [name, place] : places)
      if (arguments[i].name == name) *place = in[i];
  return s;
}

OpCase ssd_case(const std::string& variant, std::vector<OpArgument> arguments, const SsdOptions& options) {
  return {"ssd", variant, arguments,
          [=](const std::vector<Var>& in) {
            const SsdResult result = ssd(in[0], inputs_of(arguments, in), options);
            return std::vector{result.y, result.final_state};
          },
          kL * (kN + 1) * kP * kB};
}

}  // namespace

std::vector<OpCase> ssd_cases() {
  constexpr auto kRows = OpArgument::Strides::kDenseRows, kAny = OpArgument::Strides::kAny;
  const Shape bc{kB, kL, kG, kN}, step{kB, kL, kH};
  const std::vector<OpArgument> bare{{"x", {kB, kL, kH, kP}, -2, 2, kRows},
                                     {"dt", step, -2, 1, kAny},
                                     {"B", bc, -2, 2, kRows},
                                     {"C", bc, -2, 2, kRows}};
  const Runs packed = Runs::of(kB, kL, {{0, 0, 4}, {0, 4, 2}, {1, 1, 5}});
  const std::vector<OpArgument> one{{"A_log", {kH}, -1, 1, kAny, true}},
      diagonal{{"A_log", {kH, kN}, -1, 1, kAny, true}},
      complex{{"A_log", {kH, kN / 2}, -1, 1, kAny, true}, {"A_im", {kH, kN / 2}, -2, 2, kAny, true}};

  std::vector<OpCase> cases{ssd_case("no bias, decay and diagonal", bare, {.Q = 2})};
  for (const auto& [name, A] :
       {std::pair<std::string, std::vector<OpArgument>>{"scalar", one}, {"diagonal", diagonal}, {"complex", complex}}) {
    std::vector<OpArgument> plain = bare;
    plain.insert(plain.end(), A.begin(), A.end());
    std::vector<OpArgument> full = plain;
    full.insert(full.end(), {{"dt_bias", {kH}, -1, 1, kAny, true},
                             {"delta", step, -2, 2, kAny},
                             {"initial", {kH, kP, kN}, -2, 2, kAny, true}});
    std::vector<OpArgument> by_run = full;
    by_run.back().shape = {3, kH, kP, kN};
    std::vector<OpArgument> tables = full;  // streams that do not depend on the data
    for (OpArgument& a : tables)
      if (a.name != "x" && a.shape.rank() > 2 && a.shape[0] == kB) a.shape[0] = 1;
    cases.push_back(ssd_case(name, full, {.Q = 3}));
    cases.push_back(ssd_case(name + ", one chunk", plain, {}));
    cases.push_back(ssd_case(name + ", reverse", full, {.reverse = true, .Q = 3}));
    cases.push_back(ssd_case(name + ", runs", by_run, {.Q = 3, .runs = packed}));
    cases.push_back(ssd_case(name + ", reverse, runs", plain, {.reverse = true, .Q = 3, .runs = packed}));
    cases.push_back(ssd_case(name + ", streams of one row", tables, {.Q = 3}));
  }
  return cases;
}

}  // namespace matmix
