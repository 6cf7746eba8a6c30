#pragma once

#include "autograd/var.h"

namespace matmix {

// Along one axis in [-rank, rank), m = max_j x_j.  x: any shape and strides, floating; -infinity is probability 0.
// Returns x's shape and dtype; exp and sums run in Accumulator<T>. Throws Error for a scalar or an axis out of range.
// Source: Milakov & Gimelshein 2018.

/// y_i = exp(x_i - m) / sum_j exp(x_j - m); 0 where all of the slice is -infinity, so that a masked row stays clean.
/// Gradient: dx = y (dy - sum(y dy)). Keeps y.
Var softmax(const Var& x, int axis = -1);
/// y_i = x_i - m - log sum_j exp(x_j - m); -infinity where all of the slice is. Gradient: dx = dy - exp(y) sum(dy).
/// Keeps x, and m and the log of the sum apart, so that large x lose no digits.
Var log_softmax(const Var& x, int axis = -1);

}  // namespace matmix
