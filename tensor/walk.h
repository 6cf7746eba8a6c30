#pragma once

#include "tensor/shape.h"

namespace matmix {

/// How two tensors of one shape are walked together in any order: as few axes as describe both, the largest strides
/// of `a` first. A broadcast axis has stride 0, so the axes along which `a` is broadcast come last.
struct Walk {
  Shape shape;
  Shape a;  ///< strides
  Shape b;
};

/// Drops axes of size 1, sorts by (a, b) strides descending, merges neighbours that both tensors pass in one step.
/// A scalar gives rank 0.
Walk collapse(const Shape& shape, const Shape& a, const Shape& b);

/// The same walk as matrices (the last two axes; at least two are made): where the last axis is dense in `a` but not
/// in `b`, the one before it is the densest of `b`, so that tiles of both are read along their lines.
Walk as_matrices(const Walk& walk);

}  // namespace matmix
