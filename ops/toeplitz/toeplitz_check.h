#pragma once

#include "autograd/var.h"

namespace matmix {

/// Error naming what of the taps of L tokens does not fit.
void check_toeplitz_taps(const Var& taps);

}  // namespace matmix
