#pragma once

#include <functional>
#include <vector>

#include "autograd/var.h"

namespace matmix {

struct BackwardOptions {
  /// d(loss)/d(root); default 1, which needs a root of one element.
  Tensor seed;
  /// Keeps closures and what they saved, so that backward can run again.
  bool keep_graph = false;
  /// Called for each leaf as soon as its gradient is final, in a fixed order.
  std::function<void(Leaf&)> on_final;
};

/// Adds d(root)/d(leaf) to every leaf that root depends on. Iterative; visits nodes in descending order of
/// creation, so gradients are summed in a fixed order: same bits every run.
/// Throws Error if root has no history, is not one element without a seed, or its graph was freed before.
void backward(const Var& root, const BackwardOptions& options = {});

}  // namespace matmix
