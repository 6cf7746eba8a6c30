#include "mixers/cauchy.h"

#include <cmath>

namespace matmix::mixers {

Cauchy::Cauchy(const BlockShape& shape, const CauchyMixerOptions& o)
    : shape_(shape),
      options_(o),
      op_{.scale = 1 / std::sqrt(static_cast<double>(o.scale_len * o.qk_dim)), .accuracy = o.accuracy} {
  require(o.qk_dim > 0 && o.scale_len > 0, "cauchy", "qk_dim and scale_len must be positive, got ", o.qk_dim, " and ",
          o.scale_len);
  if (o.learned_bias) bias_ = nn::Parameter({}, nn::Init::constant(0.5), nn::Decay::kNo);
}

Traits Cauchy::traits() const {
  return {.name = "cauchy",
          .sequence_aligned = true,
          .accuracy = options_.accuracy > 0 ? options_.accuracy : 1e-10,
          .explicit_cost = "L^2 (E + P)",
          .fast_cost = "L E P log(range)"};
}

std::vector<Stream> Cauchy::streams() const {
  const Shape per_token{shape_.H, options_.qk_dim};
  return {{"q", per_token, Route::kConv}, {"k", per_token, Route::kConv}};
}

Var Cauchy::do_matrix(const Streams& c, int64_t) const { return cauchy_matrix(c["q"], c["k"], bias(), op_); }

Var Cauchy::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  return by_runs(c, v, runs,
                 [this](const Streams& cut, const Var& part) { return cauchy(cut["q"], cut["k"], part, bias(), op_); });
}

}  // namespace matmix::mixers
