#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autograd/var.h"

namespace matmix::nn {

/// While it lives, forward passes on this thread leave their named intermediate values here: what pictures, activation
/// statistics and debugging read. Costs nothing when there is none.
class Probe {
 public:
  Probe();
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  /// (module path + "." + name, value), in the order of the forward pass.
  const std::vector<std::pair<std::string, Var>>& values() const { return values_; }

 private:
  friend void probe(std::string_view name, const Var& x);
  std::vector<std::pair<std::string, Var>> values_;
  Probe* outer_;
};

/// Leaves x under the current module path if a Probe is open.
void probe(std::string_view name, const Var& x);

}  // namespace matmix::nn
