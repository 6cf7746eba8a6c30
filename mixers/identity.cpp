#include "mixers/identity.h"

#include "ops/layout/layout.h"
#include "tensor/create.h"

namespace matmix::mixers {

Traits Identity::traits() const {
  return {.name = "identity",
          .causal = true,
          .normalised = true,
          .sequence_aligned = true,
          .rank_below = 0,
          .rank_above = 0,
          .explicit_cost = "L^2 P",
          .fast_cost = "0"};
}

Var Identity::do_matrix(const Streams& c, int64_t L) const {
  return expand(eye(L, c.dtype(), c.device()), {1, shape_.H, L, L});
}

Var Identity::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  return runs.is_full() ? v : by_runs(c, v, runs, [](const Streams&, const Var& part) { return part; });
}

}  // namespace matmix::mixers
