#include "mixers/low_rank.h"

#include <cmath>

#include "ops/elementwise/elementwise.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::mixers {
namespace {

/// x [B, L, ...] with 0 at padding: what stands there must reach no map, whose slope might make a NaN of no gradient.
Var without_padding(const Var& x, const Runs& runs) {
  const Tensor is_token = zeros({runs.B(), runs.L(), 1, 1}, DType::Bool);
  for (const Run& run : runs.all()) fill(is_token.narrow(0, run.row, 1).narrow(1, run.start, run.length), 1);
  return where(to(is_token, x.device()), x, zeros({}, x.dtype(), x.device()));
}

}  // namespace

LowRank::LowRank(const BlockShape& shape, const LowRankMixerOptions& o) : shape_(shape), options_(o) {
  require(o.qk_dim > 0 && o.scale_len > 0, "low_rank", "qk_dim and scale_len must be positive, got ", o.qk_dim, " and ",
          o.scale_len);
  require(!o.normalise || o.features == FeatureMap::kEluPlusOne || o.features == FeatureMap::kExp, "low_rank",
          "a normaliser needs positive features: elu + 1 or exp");
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
  if (options_.normalise) return {.normalise = true};
  return {.scale = 1 / std::sqrt(static_cast<double>(options_.scale_len * options_.qk_dim))};
}

Var LowRank::do_matrix(const Streams& c, int64_t) const {
  return low_rank_matrix(features(c["q"]), features(c["k"]), op_options());
}

Var LowRank::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  LowRankOptions options = op_options();
  options.runs = runs;
  const bool clean = runs.is_full() || options_.features == FeatureMap::kNone;
  const Streams cut = runs.is_full() ? c.whole_rows(runs.L()) : c.by_token(runs);
  const auto mapped = [&](const char* name) { return features(clean ? cut[name] : without_padding(cut[name], runs)); };
  return low_rank(mapped("q"), mapped("k"), v, options);
}

}  // namespace matmix::mixers
