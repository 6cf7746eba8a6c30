#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autograd/var.h"

namespace matmix::nn {

/// While it lives, forward passes on this thread leave their named intermediate values here, and the walks back through
/// them their gradients: what pictures, statistics of activations and debugging read. Costs nothing when there is none.
class Probe {
 public:
  Probe();
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  /// (module path + "." + name, value), in the order of the forward pass.
  const std::vector<std::pair<std::string, Var>>& values() const { return values_; }
  /// The gradients of the same values; undefined where no walk back has passed.
  const std::vector<Tensor>& gradients() const { return *gradients_; }

 private:
  friend Var probe(std::string_view name, const Var& x);
  std::vector<std::pair<std::string, Var>> values_;
  std::shared_ptr<std::vector<Tensor>> gradients_;  ///< graphs may outlive the probe
  Probe* outer_;
};

/// x. If a Probe is open it is left there under the current module path, and the Var returned is one on whose way back
/// the gradient is left there too.
Var probe(std::string_view name, const Var& x);

}  // namespace matmix::nn
