#pragma once

#include <vector>

#include "autograd/var.h"

namespace matmix {

// Reductions over `axes` (each in [-rank, rank), none twice; empty = all).  x: any shape and strides, floating.
// Returns x's dtype (sums run in Accumulator<T>) with those axes removed, or kept with size 1 if keep_dims.
// The order of summation is fixed: same bits every run and for any thread count. An empty sum is 0.
/// Gradient: dy spread.
Var sum(const Var& x, const std::vector<int>& axes = {}, bool keep_dims = false);
/// Gradient: dy / n spread. Error over 0 elements.
Var mean(const Var& x, const std::vector<int>& axes = {}, bool keep_dims = false);
/// Gradient: to the first maximal element. Error over 0 elements.
Var max(const Var& x, const std::vector<int>& axes = {}, bool keep_dims = false);
/// log sum exp(x), by the maximum: no overflow; -inf over nothing but -inf. Gradient: dy exp(x - y).
Var logsumexp(const Var& x, const std::vector<int>& axes = {}, bool keep_dims = false);

}  // namespace matmix
