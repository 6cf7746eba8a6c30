#include "mixers/attention.h"

#include "ops/attention/attention.h"

namespace matmix::mixers {

Attention::Attention(const BlockShape& shape, const AttentionMixerOptions& options) : shape_(shape), options_(options) {
  require(options.qk_dim > 0, "attention", "qk_dim must be positive, got ", options.qk_dim);
}

Traits Attention::traits() const {
  return {.name = "attention",
          .causal = options_.causal,
          .normalised = true,
          .sequence_aligned = true,
          .explicit_cost = "L^2 (E + P)",
          .fast_cost = "L^2 (E + P)"};
}

std::vector<Stream> Attention::streams() const {
  const Shape per_token{shape_.H, options_.qk_dim};
  return {{"q", per_token, Route::kConv}, {"k", per_token, Route::kConv}};
}

Var Attention::do_matrix(const Streams& c, int64_t) const {
  return attention_matrix(c["q"], c["k"], {.causal = options_.causal});
}

Var Attention::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  AttentionOptions options{.causal = options_.causal};
  if (runs.is_full()) {
    const Streams rows = c.whole_rows(runs.L());
    return attention(rows["q"], rows["k"], v, options);
  }
  options.runs = runs;
  const Streams tokens = c.by_token(runs);
  return attention(tokens["q"], tokens["k"], v, options);
}

}  // namespace matmix::mixers
