#pragma once

#include <string_view>

#include "tensor/named_tensors.h"

namespace matmix::testing {

/// All tensors but the one of that name, whose place `instead` takes if it is given.
inline NamedTensors without(const NamedTensors& all, std::string_view left_out, const NamedTensors& instead = {}) {
  NamedTensors kept;
  for (const auto& [name, x] : all)
    if (name != left_out) kept.put(name, x);
  for (const auto& [name, x] : instead) kept.put(name, x);
  return kept;
}

}  // namespace matmix::testing
