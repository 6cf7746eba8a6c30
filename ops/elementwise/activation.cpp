#include "ops/elementwise/activation.h"

#include <array>

#include "tensor/error.h"

namespace matmix {
namespace {

constexpr std::array<std::string_view, 5> kNames{"none", "relu", "silu", "gelu", "tanh"};  // in order of Activation

}  // namespace

std::string_view to_string(Activation activation) { return kNames.at(static_cast<size_t>(activation)); }

Activation parse_activation(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<Activation>(i);
  fail("activation", "must be none, relu, silu, gelu or tanh, got '", name, "'");
}

}  // namespace matmix
