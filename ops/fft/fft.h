#pragma once

#include "autograd/var.h"

namespace matmix {

// Fourier transforms of real numbers along an axis in [-rank, rank), of any length n > 0 whatever the size L of that
// axis: x is continued by zeros up to n, and what lies beyond n is folded back. A spectrum has, in place of the axis,
// two: frequencies 0 .. n/2, and 2 for the real and the imaginary part; along the last axis complex numbers so lie next
// to each other, along others real rows alternate with imaginary ones.
// Floating, any strides; sums in Accumulator<T>. Gradients are those of the formulas, real and imaginary parts being
// numbers like any others; nothing is kept.
// Cost: O(n log n) a column. Lengths that are no power of two take a convolution of 2n - 1 or more (Bluestein 1970),
// about six times the work.

/// X_k = sum_j x_j e^{-2 pi i jk / n}, k <= n/2.   Returns [..., n/2 + 1, 2, ...] in Accumulator<T>: F32 from BF16.
/// n = 0: the axis' size.
Var rfft(const Var& x, int axis, int64_t n = 0);

/// The inverse: y_j = 1/n sum_{|k| <= n/2} X_k e^{2 pi i jk / n}, j < n, where X_{-k} is the conjugate of X_k. What has
/// no effect in it receives no gradient: the imaginary parts of X_0 and, for even n, of X_{n/2}.
///   X [..., n/2 + 1, 2, ...], frequencies along `axis`   returns [..., n, ...] in X's dtype
Var irfft(const Var& X, int axis, int64_t n);

/// y_i = sum_j cos(2 pi ij / n) x_j, i, j < L: the real part of the transform. Returns x's shape and dtype. Its own
/// transpose: dx is the same of dy.
Var cosine_transform(const Var& x, int axis, int64_t n);

}  // namespace matmix
