#pragma once

#include "ops/low_rank/low_rank.h"

namespace matmix {

/// Error naming what of q and k does not fit them or B rows.
void check_low_rank(const Var& q, const Var& k, int64_t B, const LowRankOptions& options);

}  // namespace matmix
