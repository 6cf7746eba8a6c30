#pragma once

#include "ops/vandermonde/vandermonde.h"

namespace matmix {

/// Error naming what of q, k and options does not fit.
void check_vandermonde(const Var& q, const Var& k, const VandermondeOptions& options);

}  // namespace matmix
