#pragma once

#include <functional>
#include <vector>

#include "autograd/var.h"

namespace matmix {

struct BackwardOptions {
  /// d(loss)/d(root); default 1, which needs a root of one element.
  Tensor seed = {};
  /// Keeps closures and what they saved, so that backward can run again.
  bool keep_graph = false;
  /// Called once for each leaf behind root as soon as its gradient is final (undefined if none reached it), in an
  /// order that the graph alone fixes.
  std::function<void(Leaf&)> on_final = {};
};

/// Adds d(root)/d(leaf) to every leaf that root depends on. Iterative; visits nodes in descending order of
/// creation, so gradients are summed in a fixed order: same bits every run. If it throws, leaves keep what they
/// received until then.
/// Throws Error if root is a constant, is not one element without a seed, or its graph was freed before.
void backward(const Var& root, const BackwardOptions& options = {});

}  // namespace matmix
