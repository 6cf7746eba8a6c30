#pragma once

#include <algorithm>
#include <cmath>

#include "tensor/dtype.h"

namespace matmix {

/// The distance from 1 to the next number: F64 2^-52, F32 2^-23, BF16 2^-8 (stored).
inline double epsilon(DType dtype) { return dtype == DType::F64 ? 0x1p-52 : dtype == DType::F32 ? 0x1p-23 : 0x1p-8; }

// The one tolerance table, of relative Frobenius errors ||got - want|| / ||want||. Why: docs/numerics.md.

/// Allowed to sums of n terms in dtype's accumulator:  c * eps(dtype) + c * sqrt(n) * eps(accumulator),  c = 8.
inline double tolerance(DType dtype, double n = 1) {
  constexpr double kSlack = 8;
  return kSlack * (epsilon(dtype) + std::sqrt(std::max(n, 1.0)) * epsilon(accumulator(dtype)));
}

/// Allowed to a result against F64 whose plain formula errs by `plain` in the same dtype: so many times that, and so
/// many roundings more, for results that the plain formula has by luck. BF16 is dearer: its roundings drown the order
/// of sums.
inline double tolerance_beside(DType dtype, double plain) {
  return dtype == DType::BF16 ? 2 * plain + 0.5 * epsilon(dtype) : 4 * plain + epsilon(dtype);
}

/// Allowed to an op's result that moves by `movement` where all it is made of moves by one rounding of dtype: so many
/// times that, and two roundings of the op's own.
inline double tolerance_of_movement(DType dtype, double movement) { return 4 * movement + 2 * epsilon(dtype); }

}  // namespace matmix
