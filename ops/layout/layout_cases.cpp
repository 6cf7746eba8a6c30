#include "ops/common/cases.h"
#include "ops/layout/layout.h"

namespace matmix {
namespace {

using Strides = OpArgument::Strides;

OpCase moved(const char* op, const char* variant, const Shape& shape, std::function<Var(const Var&)> f) {
  return {op, variant, {{"x", shape, -2, 2, Strides::kAny}}, [f](const std::vector<Var>& in) {
            return std::vector{f(in[0])};
          }};
}

/// The parts `used` of one split.
OpCase split_case(const char* variant, int axis, std::vector<int64_t> sizes, std::vector<size_t> used) {
  return {"split", variant, {{"x", {2, 6, 4}, -2, 2, Strides::kAny}}, [=](const std::vector<Var>& in) {
            const std::vector<Var> parts = split(in[0], sizes, axis);
            std::vector<Var> out;
            for (const size_t i : used) out.push_back(parts[i]);
            return out;
          }};
}

}  // namespace

std::vector<OpCase> layout_cases() {
  const Shape x{2, 3, 4};
  return {
      moved("reshape", "view", x,
            [](const Var& v) {
              return reshape(v, {6, -1});
            }),
      moved("reshape", "copy", x,
            [](const Var& v) {
              return reshape(transpose(v, 0, 1), {4, 6});
            }),
      moved("permute", "", x,
            [](const Var& v) {
              return permute(v, {2, 0, 1});
            }),
      moved("transpose", "", x, [](const Var& v) { return transpose(v, -1, 1); }),
      moved("narrow", "", x, [](const Var& v) { return narrow(v, 1, 1, 2); }),
      moved("select", "", x, [](const Var& v) { return select(v, -2, 2); }),
      moved("expand", "", {3, 1},
            [](const Var& v) {
              return expand(v, {2, 3, 4});
            }),
      moved("unsqueeze", "", x, [](const Var& v) { return unsqueeze(v, -1); }),
      moved("squeeze", "", {3, 1, 2}, [](const Var& v) { return squeeze(v, 1); }),
      split_case("middle axis", 1, {1, 3, 2}, {0, 1, 2}),
      split_case("last axis, an unused part", -1, {1, 2, 1}, {2, 0}),
      moved("contiguous", "", x, [](const Var& v) { return contiguous(transpose(v, 0, 2)); }),
      {"concat",
       "",
       {{"a", {2, 1, 3}, -2, 2, Strides::kAny},
        {"b", {2, 3, 3}, -2, 2, Strides::kAny},
        {"c", {2, 2, 3}, -2, 2, Strides::kAny}},
       [](const std::vector<Var>& in) { return std::vector{concat(in, 1)}; }},
      {"concat",
       "a part twice",
       {{"x", {2, 3}, -2, 2, Strides::kAny}},
       [](const std::vector<Var>& in) {
         return std::vector{concat({in[0], in[0]}, 0)};
       }},
      moved("flip", "middle axis", x, [](const Var& v) { return flip(v, 1); }),
      moved("flip", "last axis", x, [](const Var& v) { return flip(v, -1); }),
      moved("shift", "later", x, [](const Var& v) { return shift(v, 1, 1); }),
      moved("shift", "earlier", x, [](const Var& v) { return shift(v, 1, -2); }),
      moved("shift", "beyond the axis", x, [](const Var& v) { return shift(v, 1, 7); }),
      moved("pad", "", x, [](const Var& v) { return pad(v, -1, 1, 2); }),
      moved("repeat", "", x, [](const Var& v) { return repeat(v, 1, 3); }),
  };
}

}  // namespace matmix
