#pragma once

#include <utility>

#include "ops/cauchy/cauchy.h"

namespace matmix {

/// Error naming what of q, k, bias and options does not fit.
void check_cauchy(const Var& q, const Var& k, const Var& bias, const CauchyOptions& options);
/// a and b of the contract in the accumulator's dtype, each with half of eps.
std::pair<Var, Var> cauchy_poles(const Var& q, const Var& k, const Var& bias, const CauchyOptions& options);

}  // namespace matmix
