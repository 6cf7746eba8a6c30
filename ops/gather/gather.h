#pragma once

#include "autograd/var.h"

namespace matmix {

// Along one axis of n in [-rank, rank), by an index of every element: I64, on x's device, any strides (a broadcast
// index costs nothing). Each is the other's gradient; both keep the index alone. An index outside [0, n) is an Error on
// the CPU that names it; on CUDA, where no value is read on the host, gather gives NaN for it and scatter passes it
// over. Whole rows of a matrix, many times the same ones: ops/embedding, which shares the work out better.

/// y[..., i, ...] = x[..., index[..., i, ...], ...].   index: x's shape but for its size along the axis; returns its
/// shape in x's dtype.
Var gather(const Var& x, int axis, const Tensor& index);

/// y[..., j, ...] = sum over i with index[..., i, ...] = j of x[..., i, ...], in ascending i: same bits every run.
///   index: x's shape.   Returns x's shape with n along the axis, 0 where nothing arrives; sums in Accumulator<T>.
Var scatter(const Var& x, int axis, const Tensor& index, int64_t n);

}  // namespace matmix
