#include "mixers/low_rank.h"

#include <cmath>

#include "ops/elementwise/elementwise.h"
#include "tensor/create.h"

namespace matmix::mixers {

LowRank::LowRank(const BlockShape& shape, const LowRankMixerOptions& o) : shape_(shape), options_(o) {
  require(o.qk_dim > 0 && o.scale_len > 0, "low_rank", "qk_dim and scale_len must be positive, got ", o.qk_dim, " and ",
          o.scale_len);
  require(!o.normalise || o.features != FeatureMap::kNone, "low_rank",
          "a normaliser needs positive features: elu + 1, relu or exp");
}

Traits LowRank::traits() const {
  return {.name = "low_rank",
          .normalised = options_.normalise,
          .sequence_aligned = true,
          .rank_below = options_.qk_dim,
          .rank_above = options_.qk_dim,
          .explicit_cost = "L^2 (E + P)",
          .fast_cost = "L E P"};
}

std::vector<Stream> LowRank::streams() const {
  const Shape per_token{shape_.H, options_.qk_dim};
  return {{"q", per_token}, {"k", per_token}};
}

Var LowRank::features(const Var& x) const {
  switch (options_.features) {
    case FeatureMap::kNone: return x;
    case FeatureMap::kEluPlusOne: return exp(minimum(x, zeros({}, x.dtype(), x.device()))) + relu(x);
    case FeatureMap::kRelu: return relu(x);
    case FeatureMap::kExp: return exp(x);
  }
  fail("low_rank", "features must be one of the enumeration, got ", static_cast<int>(options_.features));
}

LowRankOptions LowRank::op_options() const {
  return {.scale = 1 / std::sqrt(static_cast<double>(options_.scale_len * options_.qk_dim)),
          .normalise = options_.normalise};
}

Var LowRank::do_matrix(const Streams& c, int64_t) const {
  return low_rank_matrix(features(c["q"]), features(c["k"]), op_options());
}

Var LowRank::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  LowRankOptions options = op_options();
  options.runs = runs;
  const Streams cut = runs.is_full() ? c.whole_rows(runs.L()) : c.by_token(runs);
  return low_rank(features(cut["q"]), features(cut["k"]), v, options);
}

}  // namespace matmix::mixers
