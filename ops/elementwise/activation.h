#pragma once

#include <string_view>

namespace matmix {

/// The pointwise maps that linear and conv1d can end in.
enum class Activation { kNone, kRelu, kSilu, kGelu, kTanh };

std::string_view to_string(Activation activation);
/// "none", "relu", "silu", "gelu", "tanh"; Error naming them otherwise.
Activation parse_activation(std::string_view name);

}  // namespace matmix
