#include "mixers/quasiseparable.h"

#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "tensor/create.h"

namespace matmix::mixers {

Quasiseparable::Quasiseparable(const BlockShape& shape, const QuasiseparableMixerOptions& o)
    : shape_(shape), options_(o) {
  require(o.groups > 0 && shape.H % o.groups == 0, "quasiseparable", "groups must divide the ", shape.H, " heads, got ",
          o.groups);
  require(o.state > 0 && o.Q > 0, "quasiseparable", "state and Q must be positive, got ", o.state, " and ", o.Q);
  using nn::Decay, nn::Init, nn::Parameter;
  dt_bias_ = Parameter({shape.H}, Init::inverse_softplus_of_log_uniform(1e-3, 0.1), Decay::kNo);
  if (o.decay) A_log_ = Parameter({shape.H}, Init::log_of_uniform(1, 16), Decay::kNo);
  if (o.diagonal == Diagonal::kConstant) D_ = Parameter({1}, Init::ones(), Decay::kNo);
  if (o.diagonal == Diagonal::kPerHead || o.diagonal == Diagonal::kProjected)
    D_ = Parameter({shape.H}, Init::ones(), Decay::kNo);
  if (o.initial_states) initial_states_ = Parameter({shape.H, shape.P, o.state}, Init::zeros(), Decay::kNo);
}

Traits Quasiseparable::traits() const {
  return {.name = "quasiseparable",
          .sequence_aligned = true,
          .rank_below = options_.state,
          .rank_above = options_.state,
          .explicit_cost = "L^2 (N + P)",
          .fast_cost = "L (Q + N) P"};
}

std::vector<Stream> Quasiseparable::streams() const {
  const Shape bc{options_.groups, options_.state};
  std::vector<Stream> s{{"B_f", bc}, {"C_f", bc}};
  if (!options_.shared_bc) s.insert(s.end(), {{"B_b", bc}, {"C_b", bc}});
  if (options_.step_stream)
    s.insert(s.end(), {{"dt_f", {shape_.H}, Route::kDirect}, {"dt_b", {shape_.H}, Route::kDirect}});
  if (options_.diagonal == Diagonal::kProjected) s.push_back({"fc_D", {shape_.H}, Route::kFromValue});
  return s;
}

void Quasiseparable::visit(nn::Visitor& v) {
  v("dt_bias", dt_bias_);
  v("A_log", A_log_);
  v("D", D_);
  v("initial_states", initial_states_);
}

Var Quasiseparable::delta(const Streams& c, int64_t L) const {
  if (options_.diagonal == Diagonal::kNone) return {};
  if (options_.diagonal == Diagonal::kProjected) return c["fc_D"] + D_;
  return expand(D_, {1, L, shape_.H});
}

QuasiseparableInputs Quasiseparable::inputs(const Streams& c, int64_t L) const {
  const bool shared = options_.shared_bc;
  QuasiseparableInputs in{.dt_f = {},
                          .dt_b = {},
                          .dt_bias = dt_bias_,
                          .A_log = A_log_,
                          .B_f = c["B_f"],
                          .C_f = c["C_f"],
                          .B_b = c[shared ? "B_f" : "B_b"],
                          .C_b = c[shared ? "C_f" : "C_b"],
                          .delta = delta(c, L),
                          .initial_f = initial_states_,
                          .initial_b = initial_states_};
  const Var no_step = options_.step_stream ? Var() : Var(zeros({1, L, shape_.H}, c.dtype(), c.device()));
  in.dt_f = options_.step_stream ? c["dt_f"] : no_step;
  in.dt_b = options_.step_stream ? c["dt_b"] : no_step;
  return in;
}

Var Quasiseparable::do_matrix(const Streams& c, int64_t L) const {
  return quasiseparable_matrix(inputs(c, L), {.shift = options_.shift});
}

std::optional<Var> Quasiseparable::do_offset(const Streams& c, int64_t L) const {
  if (!options_.initial_states) return std::nullopt;
  return quasiseparable_offset(inputs(c, L), {.shift = options_.shift});
}

Var Quasiseparable::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  QuasiseparableOptions options{.shift = options_.shift, .Q = options_.Q};
  if (!runs.is_full()) options.runs = runs;
  return quasiseparable(v, inputs(c.by_token(runs), runs.L()), options);
}

}  // namespace matmix::mixers
