#pragma once

#include "ops/quasiseparable/quasiseparable.h"

namespace matmix {

/// What the inputs must agree on.
struct QuasiseparableSizes {
  int64_t B, L, H, P;
  DType dtype;  ///< of the rows: x, B and C
  Device device;
};

/// Throws Error naming the first argument that does not fit.
void check_quasiseparable(const QuasiseparableSizes& s, const QuasiseparableInputs& in,
                          const QuasiseparableOptions& options);

}  // namespace matmix
