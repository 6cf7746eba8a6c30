#pragma once

#include "tensor/tensor.h"

namespace matmix {

/// into += sum of x over the axes along which `into` was broadcast to x's shape (NumPy's rule); this is the one
/// place where a gradient is summed back. dtypes may differ (x is read, summed in Accumulator of the wider of the
/// two, and added). Any strides; `into` must not have stride 0 along an axis larger than 1. The order of summation
/// is fixed: same bits every run, for any thread count. Bumps into's version.
/// Throws Error if into's shape does not broadcast to x's or the devices differ.
void accumulate(const Tensor& into, const Tensor& x);
/// into = the same sum, without reading into.
void reduce_into(const Tensor& into, const Tensor& x);

}  // namespace matmix
