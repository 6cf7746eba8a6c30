#include "ops/common/cases.h"
#include "ops/norm/norm.h"

namespace matmix {
namespace {

/// The arguments x, weight, then those of bias, residual and gate that are asked for.
struct Parts {
  bool bias = false, residual = false, gate = false;
};

OpCase row_norm(const char* variant, NormKind kind, Parts parts = {}, GateOrder order = GateOrder::kAfterNorm,
                const Shape& shape = {2, 3, 7}) {
  const Shape vector{shape.dim(-1)};
  OpCase made{"norm", variant, {{"x", shape}, {.name = "weight", .shape = vector, .is_master = true}}, {}};
  if (parts.bias) made.arguments.push_back({.name = "bias", .shape = vector, .is_master = true});
  if (parts.residual) made.arguments.push_back({.name = "residual", .shape = shape, .is_master = true});
  if (parts.gate) made.arguments.push_back({"gate", shape});
  made.function = [=](const std::vector<Var>& in) {
    size_t next = 2;
    NormOptions options{.kind = kind, .order = order};
    if (parts.bias) options.bias = in[next++];
    if (parts.residual) options.residual = in[next++];
    if (parts.gate) options.gate = in[next++];
    const NormResult result = norm(in[0], in[1], options);
    return parts.residual ? std::vector{result.y, result.residual} : std::vector{result.y};
  };
  return made;
}

}  // namespace

std::vector<OpCase> norm_cases() {
  constexpr auto kRms = NormKind::kRms, kLayer = NormKind::kLayer;
  constexpr auto kAfter = GateOrder::kAfterNorm, kBefore = GateOrder::kBeforeNorm;
  return {
      row_norm("rms", kRms),
      row_norm("layer", kLayer),
      row_norm("layer, bias", kLayer, {.bias = true}),
      row_norm("rms, residual", kRms, {.residual = true}),
      row_norm("layer, bias, residual", kLayer, {.bias = true, .residual = true}),
      row_norm("rms, gate after", kRms, {.gate = true}, kAfter),
      row_norm("rms, gate before", kRms, {.gate = true}, kBefore),
      row_norm("layer, bias, gate after", kLayer, {.bias = true, .gate = true}, kAfter),
      row_norm("layer, bias, gate before", kLayer, {.bias = true, .gate = true}, kBefore),
      row_norm("layer, bias, residual, gate after", kLayer, {.bias = true, .residual = true, .gate = true}, kAfter),
      row_norm("rms, one row", kRms, {}, kAfter, {5}),
      row_norm("layer, no rows", kLayer, {.bias = true}, kAfter, {0, 3}),
  };
}

}  // namespace matmix
