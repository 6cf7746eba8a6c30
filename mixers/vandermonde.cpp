#include "mixers/vandermonde.h"

#include <cmath>

#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/reduce/reduce.h"
#include "tensor/create.h"

namespace matmix::mixers {

Vandermonde::Vandermonde(const BlockShape& shape, const VandermondeMixerOptions& o)
    : shape_(shape),
      options_(o),
      op_{.scale = 1 / std::sqrt(static_cast<double>(2 * o.scale_len * o.qk_dim)),
          .eps = o.eps,
          .sign = o.reference_compat ? 1.0 : -1.0,
          .accuracy = o.accuracy} {
  require(o.qk_dim > 0 && o.scale_len > 0, "vandermonde", "qk_dim and scale_len must be positive, got ", o.qk_dim,
          " and ", o.scale_len);
}

Traits Vandermonde::traits() const {
  return {.name = "vandermonde",
          .causal = options_.reference_compat,
          .sequence_aligned = !options_.reference_compat,
          .length_dependent = options_.reference_compat,
          .by_transforms = true,
          .accuracy = options_.accuracy > 0 ? options_.accuracy : 1e-10,
          .explicit_cost = "L^2 (E + P)",
          .fast_cost = "L (log L + E) P"};
}

std::vector<Stream> Vandermonde::streams() const {
  const Shape per_token{shape_.H, options_.qk_dim};
  const nn::Init frequencies = nn::Init::normal(1);
  return {{"q", per_token, Route::kConv, frequencies}, {"k", per_token, Route::kConv, frequencies}};
}

Var Vandermonde::do_matrix(const Streams& c, int64_t L) const {
  const Var M = vandermonde_matrix(c["q"], c["k"], op_);
  return options_.reference_compat ? sum(M, {3}, true) * eye(L, c.dtype(), c.device()) : M;
}

Var Vandermonde::product(const Streams& c, const Var& v) const {
  const Var &q = c["q"], &k = c["k"];
  if (!options_.reference_compat) return vandermonde(q, k, v, op_);
  const Tensor ones = full({std::max(q.dim(0), k.dim(0)), v.dim(1), v.dim(2), 1}, 1, v.dtype(), v.device());
  return vandermonde(q, k, ones, op_) * v;
}

Var Vandermonde::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  return by_runs(c, v, runs, [this](const Streams& cut, const Var& part) { return product(cut, part); });
}

}  // namespace matmix::mixers
