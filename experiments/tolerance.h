#pragma once

#include <algorithm>
#include <cmath>

#include "tensor/dtype.h"

namespace matmix::experiments {

/// The one tolerance table: relative Frobenius error, ||got - want|| / ||want||, allowed to sums of n terms in dtype's
/// accumulator:  c * eps(dtype) + c * sqrt(n) * eps(accumulator),  c = 8.
/// eps: F64 2^-52, F32 2^-23, BF16 2^-8 (stored), BF16 sums in F32. Why: docs/numerics.md.
inline double tolerance(DType dtype, double n = 1) {
  constexpr double kSlack = 8;
  const double wide = dtype == DType::F64 ? 0x1p-52 : 0x1p-23;
  const double stored = dtype == DType::BF16 ? 0x1p-8 : wide;
  return kSlack * (stored + std::sqrt(std::max(n, 1.0)) * wide);
}

/// What is promised of gradcheck: max |analytic - numeric| / max |numeric|.
inline constexpr double kGradcheck = 1e-8;

/// A BF16 result of a fast form may be this many times as far from F64 as the plain formula in BF16 is ...
inline constexpr double kBf16Share = 2;
/// ... and one rounding more, root mean square: a rounding errs by at most 2^-8 of a number, by 0.42 of that on
/// average.
inline constexpr double kBf16Rounding = 0x1p-9;

}  // namespace matmix::experiments
