#pragma once

#include "autograd/var.h"

namespace matmix {

/// A Toeplitz matrix per head:  M_ij = scale taps[L - 1 + i - j],  y = M x, without M.
///   taps [B or 1, 2L - 1, H]: lags -(L - 1) .. L - 1, the diagonal in the middle; zeros before it make M causal
///   x [B, L, H, P], L > 0; floating, one dtype and device, any strides (rows that are not dense are copied)
/// Returns [B, L, H, P] in their dtype. A filter for each channel, as in Hyena and S4: heads of width 1.
/// By transforms of the power of two n >= 2L - 1, in Accumulator<T>; what wraps around never meets a tap.
/// Gradient: dx = M^T dy; dtaps[L - 1 + t] = scale sum_{i - j = t} dy_i . x_j, summed over rows for one row of taps.
/// Keeps taps and x. Cost: O(L log L) a channel: forward two transforms, backward three.
Var toeplitz(const Var& taps, const Var& x, double scale = 1);

/// The same M [B or 1, H, L, L] written out.
Var toeplitz_matrix(const Var& taps, double scale = 1);

}  // namespace matmix
