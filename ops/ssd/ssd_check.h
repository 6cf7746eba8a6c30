#pragma once

#include "ops/ssd/ssd.h"

namespace matmix {

/// What the inputs must agree on.
struct SsdSizes {
  Shape tokens;  ///< [B, L], of a step [B]
  int64_t H, P, runs;
  DType dtype;  ///< of the rows: x, B and C
  Device device;
};

/// Throws Error naming the first argument that does not fit.
void check_ssd(const SsdSizes& s, const SsdInputs& in);

}  // namespace matmix
