#pragma once

#include <optional>

#include "nn/module.h"
#include "tensor/runs.h"

namespace matmix::nn {

/// All that models know of a sequence mixer: [B, L, d_model] in, [B, L, d_model] out, tokens mixed within runs.
class SequenceMixer : public Module {
 public:
  virtual Var forward(const Var& x, const Runs& runs) const = 0;
  /// The materialised matrices [B, heads, L, L] at x, for those that have one.
  virtual std::optional<Var> matrix(const Var& x, const Runs& runs) const = 0;
};

}  // namespace matmix::nn
