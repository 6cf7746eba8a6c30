#pragma once

#include <algorithm>
#include <cmath>

#include "tensor/dtype.h"

namespace matmix {

/// The one tolerance table: relative Frobenius error, ||got - want|| / ||want||, allowed to sums of n terms in dtype's
/// accumulator:  c * eps(dtype) + c * sqrt(n) * eps(accumulator),  c = 8.
/// eps: F64 2^-52, F32 2^-23, BF16 2^-8 (stored), BF16 sums in F32. Why: docs/numerics.md.
inline double tolerance(DType dtype, double n = 1) {
  constexpr double kSlack = 8;
  const double wide = dtype == DType::F64 ? 0x1p-52 : 0x1p-23;
  const double stored = dtype == DType::BF16 ? 0x1p-8 : wide;
  return kSlack * (stored + std::sqrt(std::max(n, 1.0)) * wide);
}

}  // namespace matmix
