#include "mixers/toeplitz.h"

#include <cmath>

#include "ops/layout/layout.h"
#include "ops/toeplitz/toeplitz.h"
#include "tensor/create.h"

namespace matmix::mixers {

Toeplitz::Toeplitz(const BlockShape& shape, const ToeplitzMixerOptions& o)
    : shape_(shape), options_(o), scale_(0.5 / std::sqrt(static_cast<double>(o.scale_len))) {
  require(o.scale_len > 0, "toeplitz", "scale_len must be positive, got ", o.scale_len);
  require(!o.causal || !o.reference_compat, "toeplitz", "the reference's matrix is not causal; choose one of the two");
}

Traits Toeplitz::traits() const {
  return {.name = "toeplitz",
          .causal = options_.causal,
          .sequence_aligned = !options_.reference_compat,
          .length_dependent = options_.reference_compat,
          .by_transforms = true,
          .explicit_cost = "L^2 P",
          .fast_cost = "L log L P"};
}

std::vector<Stream> Toeplitz::streams() const {
  const Shape per_token{shape_.H};
  if (options_.causal) return {{"forward", per_token}};
  return {{"forward", per_token}, {"reverse", per_token}};
}

/// r_{L-1} .. r_1, f_0 .. f_{L-1}: [n or 1, 2 L - 1, H].
Var Toeplitz::taps(const Streams& c, int64_t L) const {
  const Var& forward = c["forward"];
  if (options_.causal) return pad(forward, 1, L - 1, 0);
  if (L == 1) return forward;
  const Var both = concat({flip(narrow(c["reverse"], 1, 1, L - 1), 1), forward}, 1);
  if (!options_.reference_compat) return both;
  return concat({narrow(both, 1, 1, 2 * L - 2), narrow(both, 1, 0, 1)}, 1);
}

Var Toeplitz::do_matrix(const Streams& c, int64_t L) const {
  if (L == 0) return zeros({1, shape_.H, 0, 0}, c.dtype(), c.device());
  return toeplitz_matrix(taps(c, L), scale_);
}

Var Toeplitz::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  return by_runs(c, v, runs, [this](const Streams& cut, const Var& part) {
    return toeplitz(taps(cut, part.dim(1)), part, scale_);
  });
}

}  // namespace matmix::mixers
