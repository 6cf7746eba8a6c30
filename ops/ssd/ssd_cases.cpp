#include <algorithm>

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
  return {"ssd", variant, arguments, [=](const std::vector<Var>& in) {
            const SsdResult result = ssd(in[0], inputs_of(arguments, in), options);
            return std::vector{result.y, result.final_state};
          }};
}

std::vector<OpArgument> without(std::vector<OpArgument> arguments, const std::vector<std::string>& names) {
  std::erase_if(arguments, [&](const OpArgument& a) { return std::ranges::find(names, a.name) != names.end(); });
  return arguments;
}

/// The twins written out: M and r.
OpCase matrix_case(const std::string& variant, const std::vector<OpArgument>& arguments, bool reverse) {
  return {"ssd_matrix", variant, arguments,
          [=](const std::vector<Var>& in) { return std::vector{ssd_matrix(inputs_of(arguments, in), reverse)}; }};
}
OpCase offset_case(const std::string& variant, const std::vector<OpArgument>& arguments, bool reverse) {
  return {"ssd_offset", variant, arguments, [=](const std::vector<Var>& in) {
            SsdInputs s = inputs_of(arguments, in);
            s.B = s.C.detach();  // which no offset reads
            return std::vector{ssd_offset(s, reverse)};
          }};
}

/// One token: the streams lose their axis L, the state has a row each.
OpCase step_case(const std::string& variant, const std::vector<OpArgument>& of_runs) {
  std::vector<OpArgument> arguments = without(of_runs, {"initial"});
  for (OpArgument& a : arguments) {
    a.strides = OpArgument::Strides::kAny;
    if (a.name != "A_log" && a.name != "A_im" && a.shape.rank() > 2) {
      Shape token{a.shape[0]};
      for (int axis = 2; axis < a.shape.rank(); ++axis) token.push_back(a.shape[axis]);
      a.shape = token;
    }
  }
  arguments.push_back({"state", {kB, kH, kP, kN}, -2, 2, OpArgument::Strides::kAny, true});
  return {"ssd_step", variant, arguments, [=](const std::vector<Var>& in) {
            const SsdResult result = ssd_step(in.back(), in[0], inputs_of(arguments, in));
            return std::vector{result.y, result.final_state};
          }};
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
    for (const bool reverse : {false, true}) {
      const std::string variant = name + (reverse ? ", reverse" : "");
      cases.push_back(matrix_case(variant, without(full, {"x", "initial"}), reverse));
      cases.push_back(offset_case(variant, without(full, {"x", "B", "delta"}), reverse));
    }
    cases.push_back(step_case(name, full));
  }
  return cases;
}

}  // namespace matmix
