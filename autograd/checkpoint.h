#pragma once

#include <functional>
#include <vector>

#include "autograd/var.h"

namespace matmix {

/// f(inputs), but nothing inside is kept for backward: backward runs f again from `inputs` and walks that graph, so
/// memory is traded for one more forward. f must be pure: same inputs, same result (random bits are counter-based,
/// so dropout is) under the same module path. Leaves that f captured (parameters) receive their gradients as usual.
/// Gradients have the bits of the plain f(inputs), as long as f is the only user of inputs that are no leaves.
/// Throws Error if f captured the result of an op that was recorded outside: it must be an input.
Var checkpoint(const std::function<Var(const std::vector<Var>&)>& f, const std::vector<Var>& inputs);

}  // namespace matmix
