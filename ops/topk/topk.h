#pragma once

#include "autograd/var.h"

namespace matmix {

struct TopK {
  Var values;      ///< [..., k] in x's dtype, descending
  Tensor indices;  ///< [..., k] I64, where they stand in x
};

/// The k largest elements along the last axis, the largest first. Of equal elements the one with the lower index comes
/// first; NaN counts as larger than any number.
///   x [..., n], floating, any strides;   0 <= k <= n
/// Gradient: of the values, to the elements they are; none to the indices. Keeps the indices.
/// Cost: meant for small k. CPU: one pass, O(n) plus O(k) for each element that enters the k best so far; CUDA: k
/// passes over a row that the cache holds.
TopK topk(const Var& x, int64_t k);

}  // namespace matmix
