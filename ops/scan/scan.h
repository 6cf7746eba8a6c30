#pragma once

#include "autograd/var.h"

namespace matmix {

struct CumsumOptions {
  bool reverse = false;    ///< sums from the end
  bool exclusive = false;  ///< without the element itself
};

/// y_i = sum_{k <= i} x_k along axis (k < i if exclusive; k >= i, k > i in reverse). Sums run in F64 for every dtype.
/// Gradient: the cumsum of dy in the other direction. Keeps nothing.
Var cumsum(const Var& x, int axis, const CumsumOptions& options = {});

/// The log of a semiseparable decay mask:  s[..., i, j] = sum_{k=j+1..i} x[..., k] for i >= j, -infinity above.
/// reverse: the mirror image, s[..., i, j] = sum_{k=i..j-1} x[..., k] for i <= j, -infinity below.
///   x [..., L], floating.   Returns [..., L, L], x's dtype.
/// The sum of each entry restarts at its own row or column and
/// runs in F64, so that no difference of long prefix sums is taken. exp of it is the decay, exactly 0 outside.
/// Gradient: dx_k = sum over the entries that contain k; entries that are -infinity give none. Keeps nothing.
/// Cost: L^2 adds, L^2 outputs.   Source: Dao & Gu 2024 (arXiv 2405.21060), listing 1.
Var segsum(const Var& x, bool reverse = false);

}  // namespace matmix
