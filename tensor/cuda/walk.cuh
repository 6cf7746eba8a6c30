#pragma once

#include "tensor/walk.h"

namespace matmix::cuda {

struct Offsets {
  int64_t a = 0, b = 0;
};

/// Where element `index` (row-major) of a walk lies in both tensors. One division an axis but the first; the compiler's
/// 64-bit division takes a 32-bit path where both sides fit.
__device__ inline Offsets offsets_of(uint64_t index, const Walk& walk) {
  Offsets at;
  for (int axis = walk.shape.rank() - 1; axis >= 0; --axis) {
    const auto size = static_cast<uint64_t>(walk.shape[axis]);
    const uint64_t quotient = axis > 0 ? index / size : 0;
    const auto i = static_cast<int64_t>(index - quotient * size);
    at.a += i * walk.a[axis];
    at.b += i * walk.b[axis];
    index = quotient;
  }
  return at;
}

}  // namespace matmix::cuda
