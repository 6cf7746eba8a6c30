#pragma once

#include <vector>

#include "autograd/var.h"

namespace matmix {

// Views: cost nothing forward. Arguments as for the Tensor members of the same names.
/// Copies first where the strides allow no view.
Var reshape(const Var& x, const Shape& shape);
Var permute(const Var& x, const std::vector<int>& order);
Var transpose(const Var& x, int axis_a, int axis_b);
Var narrow(const Var& x, int axis, int64_t start, int64_t length);
Var select(const Var& x, int axis, int64_t index);
/// Broadcast with stride 0. Gradient: summed back.
Var expand(const Var& x, const Shape& shape);
Var unsqueeze(const Var& x, int axis);
Var squeeze(const Var& x, int axis);
/// Consecutive views of the given sizes along axis; their sum must be the axis' size. The gradients of all parts land
/// in one buffer of x's shape without being gathered (GradSlot): what an in-projection needs.
std::vector<Var> split(const Var& x, const std::vector<int64_t>& sizes, int axis);

// Copies.
/// x itself if contiguous.
Var contiguous(const Var& x);
/// Parts one after another along axis; all other sizes equal; dtypes equal.
Var concat(const std::vector<Var>& parts, int axis);
Var flip(const Var& x, int axis);
/// y_i = x_{i - steps} along axis, zeros where that lies outside: shift(x, axis, 1) moves every token one later.
Var shift(const Var& x, int axis, int64_t steps);
/// `before` and `after` zeros along axis.
Var pad(const Var& x, int axis, int64_t before, int64_t after);
/// Every element repeated `times` in place along axis: [a, b] -> [a, a, b, b] for 2 (group -> head).
Var repeat(const Var& x, int axis, int64_t times);

}  // namespace matmix
