#pragma once

#include <functional>
#include <vector>

#include "autograd/var.h"

namespace matmix {

/// f(inputs), but nothing inside is kept for backward: backward runs f again from `inputs` and walks that graph, so
/// memory is traded for one more forward. f must be pure: same inputs, same result (random bits are counter-based,
/// so dropout is). Leaves that f captured (parameters) receive their gradients as usual.
Var checkpoint(const std::function<Var(const std::vector<Var>&)>& f, const std::vector<Var>& inputs);

}  // namespace matmix
