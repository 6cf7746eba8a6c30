#pragma once

#include <cmath>
#include <limits>

#include "ops/norm/norm.h"
#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

// Rows are [rows, D] with dense rows: x, gate and their gradients of dtype X, y and dy of Y, residual, r and their
// gradients of R. weight, bias [D], and the statistics mean (kLayer only) and rstd [rows] are of Accumulator<X>.
// What an option leaves out, or nobody needs, is undefined.

struct NormRule {
  NormKind kind = NormKind::kRms;
  GateOrder order = GateOrder::kAfterNorm;
  double eps = 1e-5;
};

struct NormForward {
  Tensor x, weight, bias, residual, gate;
  Tensor y, r, mean, rstd;  ///< written; r = residual + x, rounded to R, is what is normalised
};

struct NormBackward {
  Tensor u;  ///< x, or r with a residual
  Tensor weight, bias, gate, mean, rstd, dy, dr;
  Tensor dx, dresidual, dgate;  ///< written
  Tensor dweight, dbias;  ///< written: [pieces, D], sums over pieces of norm_piece_rows; their sum is the gradient

  DType x_dtype() const { return dx.defined() ? dx.dtype() : gate.defined() ? gate.dtype() : u.dtype(); }
};

/// Rows that one piece of dweight and dbias sums.
inline int64_t norm_piece_rows(int64_t rows) {
  constexpr int64_t kMostPieces = 1024, kFewestRows = 16;
  const int64_t even = (rows + kMostPieces - 1) / kMostPieces;
  return even > kFewestRows ? even : kFewestRows;
}

/// Whether a row's variance in A is to be trusted: no square left the range, or vanished where no eps hides it.
template <class A>
HOST_DEVICE bool norm_in_range(A variance, A eps) {
  constexpr A kLeast = std::numeric_limits<A>::min() / std::numeric_limits<A>::epsilon();
  constexpr A kMost = std::numeric_limits<A>::max();
  return variance <= kMost && variance + eps >= kLeast;
}

/// The power of two that brings a row of this largest magnitude near 1; 1 for a row of zeros or one that is not finite.
template <class A>
HOST_DEVICE A norm_scale(A largest) {
  constexpr A kMost = std::numeric_limits<A>::max();
  constexpr int kLimit = std::numeric_limits<A>::max_exponent - 2;
  if (!(largest > 0 && largest <= kMost)) return 1;
  const int up = -std::ilogb(largest);
  return std::ldexp(A(1), up > kLimit ? kLimit : up < -kLimit ? -kLimit : up);
}

using NormForwardEntry = void(const NormRule& rule, const NormForward& tensors);
using NormBackwardEntry = void(const NormRule& rule, const NormBackward& tensors);
namespace cpu {
NormForwardEntry norm_forward;
NormBackwardEntry norm_backward;
}  // namespace cpu
namespace cuda {
NormForwardEntry norm_forward;
NormBackwardEntry norm_backward;
}  // namespace cuda

inline constexpr Kernel kNormForward{"norm_forward", cpu::norm_forward, IF_CUDA(cuda::norm_forward)};
inline constexpr Kernel kNormBackward{"norm_backward", cpu::norm_backward, IF_CUDA(cuda::norm_backward)};

}  // namespace matmix
