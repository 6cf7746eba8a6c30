#include <algorithm>

#include "ops/common/cases.h"
#include "ops/quasiseparable/quasiseparable.h"

namespace matmix {
namespace {

using namespace case_sizes;

/// The inputs by name, in the order of the case's arguments.
QuasiseparableInputs inputs_of(const std::vector<OpArgument>& arguments, const std::vector<Var>& in, bool shared) {
  QuasiseparableInputs q;
  const std::pair<const char*, Var*> places[] = {{"dt_f", &q.dt_f},
                                                 {"dt_b", &q.dt_b},
                                                 {"dt_bias", &q.dt_bias},
                                                 {"A_log", &q.A_log},
                                                 {"B_f", &q.B_f},
                                                 {"C_f", &q.C_f},
                                                 {"B_b", &q.B_b},
                                                 {"C_b", &q.C_b},
                                                 {"delta", &q.delta},
                                                 {"initial_f", &q.initial_f},
                                                 {"initial_b", &q.initial_b}};
  for (size_t i = 0; i < arguments.size(); ++i)
    for (const auto& [name, place] : places)
      if (arguments[i].name == name) *place = in[i];
  if (shared) {
    q.B_b = q.B_f;
    q.C_b = q.C_f;
  }
  return q;
}

OpCase quasiseparable_case(const char* variant, std::vector<OpArgument> arguments, const QuasiseparableOptions& options,
                           bool shared = false) {
  return {"quasiseparable", variant, arguments, [=](const std::vector<Var>& in) {
            return std::vector{quasiseparable(in[0], inputs_of(arguments, in, shared), options)};
          }};
}

/// The twins written out: M and r of all but x.
OpCase matrix_case(const char* variant, const std::vector<OpArgument>& arguments,
                   const QuasiseparableOptions& options) {
  return {"quasiseparable_matrix", variant, arguments, [=](const std::vector<Var>& in) {
            return std::vector{quasiseparable_matrix(inputs_of(arguments, in, false), options)};
          }};
}
OpCase offset_case(const char* variant, const std::vector<OpArgument>& arguments,
                   const QuasiseparableOptions& options) {
  return {"quasiseparable_offset", variant, arguments, [=](const std::vector<Var>& in) {
            QuasiseparableInputs q = inputs_of(arguments, in, false);
            q.B_f = q.C_f.detach();  // which no offset reads
            q.B_b = q.C_b.detach();
            return std::vector{quasiseparable_offset(q, options)};
          }};
}

/// Those of the names.
std::vector<OpArgument> only(const std::vector<OpArgument>& arguments, const std::vector<std::string>& names) {
  std::vector<OpArgument> chosen;
  for (const OpArgument& a : arguments)
    if (std::ranges::find(names, a.name) != names.end()) chosen.push_back(a);
  return chosen;
}

}  // namespace

std::vector<OpCase> quasiseparable_cases() {
  constexpr auto kRows = OpArgument::Strides::kDenseRows, kAny = OpArgument::Strides::kAny;
  const Shape bc{kB, kL, kG, kN}, step{kB, kL, kH};
  std::vector<OpArgument> bare{{"x", {kB, kL, kH, kP}, -2, 2, kRows},
                               {"dt_f", step, -2, 1, kAny},
                               {"dt_b", step, -2, 1, kAny},
                               {"B_f", bc, -2, 2, kRows},
                               {"C_f", bc, -2, 2, kRows}};
  std::vector<OpArgument> plain = bare;
  plain.insert(plain.end(), {{"B_b", bc, -2, 2, kRows}, {"C_b", bc, -2, 2, kRows}});
  std::vector<OpArgument> full = plain;
  full.insert(full.end(),
              {{"dt_bias", {kH}, -1, 1, kAny, true}, {"A_log", {kH}, -1, 1, kAny, true}, {"delta", step, -2, 2, kAny}});
  std::vector<OpArgument> states = full;
  states.insert(states.end(),
                {{"initial_f", {kH, kP, kN}, -2, 2, kAny, true}, {"initial_b", {kH, kP, kN}, -2, 2, kAny, true}});
  std::vector<OpArgument> tables = full;  // streams that do not depend on the data
  for (OpArgument& a : tables)
    if (a.shape.rank() > 1 && a.name != "x") a.shape[0] = 1;

  const std::vector<OpArgument> of_matrix =
      only(full, {"dt_f", "dt_b", "dt_bias", "A_log", "B_f", "C_f", "B_b", "C_b", "delta"});
  const std::vector<OpArgument> of_offset =
      only(states, {"dt_f", "dt_b", "dt_bias", "A_log", "C_f", "C_b", "initial_f", "initial_b"});
  const Runs packed = Runs::of(kB, kL, {{0, 0, 4}, {0, 4, 2}, {1, 1, 5}});
  return {quasiseparable_case("", full, {.Q = 3}),
          quasiseparable_case("one chunk", full, {}),
          quasiseparable_case("no shift", full, {.shift = false, .Q = 3}),
          quasiseparable_case("no bias, decay and diagonal", plain, {.Q = 2}),
          quasiseparable_case("shared B and C", bare, {.Q = 3}, true),
          quasiseparable_case("initial states", states, {.Q = 3}),
          quasiseparable_case("initial states, no shift, one chunk", states, {.shift = false}),
          quasiseparable_case("runs", states, {.Q = 3, .runs = packed}),
          quasiseparable_case("runs, no shift", full, {.shift = false, .Q = 3, .runs = packed}),
          quasiseparable_case("streams of one row", tables, {.Q = 3}),
          matrix_case("", of_matrix, {}),
          matrix_case("runs, no shift", of_matrix, {.shift = false, .runs = packed}),
          offset_case("", of_offset, {}),
          offset_case("runs, no shift", of_offset, {.shift = false, .runs = packed})};
}

}  // namespace matmix
