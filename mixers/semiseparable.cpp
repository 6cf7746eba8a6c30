#include "mixers/semiseparable.h"

#include <numbers>

#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "tensor/create.h"

namespace matmix::mixers {

using nn::Decay, nn::Init, nn::Parameter;

Semiseparable::Semiseparable(const BlockShape& shape, const SemiseparableMixerOptions& o) : shape_(shape), options_(o) {
  require(o.groups > 0 && shape.H % o.groups == 0, "semiseparable", "groups must divide the ", shape.H, " heads, got ",
          o.groups);
  require(o.state > 0 && o.Q > 0, "semiseparable", "state and Q must be positive, got ", o.state, " and ", o.Q);
  dt_bias_ = Parameter({shape.H}, Init::inverse_softplus_of_log_uniform(1e-3, 0.1), Decay::kNo);
  declare_A();
  if (!o.bc_stream) {
    B_ = Parameter({o.groups, o.state}, Init::ones(), Decay::kNo);
    C_ = Parameter({o.groups, o.state}, Init::normal(1), Decay::kNo);
  }
  if (o.diagonal == Diagonal::kConstant) D_ = Parameter({1}, Init::ones(), Decay::kNo);
  if (o.diagonal == Diagonal::kPerHead || o.diagonal == Diagonal::kProjected)
    D_ = Parameter({shape.H}, Init::ones(), Decay::kNo);
  if (o.initial_states) initial_states_ = Parameter({shape.H, shape.P, o.state}, Init::zeros(), Decay::kNo);
}

/// Drawn, where Mamba counts -1 .. -N and S4D-Lin has -1/2 + i pi n.
void Semiseparable::declare_A() {
  const int64_t H = shape_.H, N = options_.state;
  switch (options_.decay) {
    case StateDecay::kScalar: A_log_ = Parameter({H}, Init::log_of_uniform(1, 16), Decay::kNo); return;
    case StateDecay::kDiagonal:
      A_log_ = Parameter({H, N}, Init::log_of_uniform(1, static_cast<double>(N)), Decay::kNo);
      return;
    case StateDecay::kComplex:
      require(N % 2 == 0, "semiseparable", "a complex state needs two numbers each, so state must be even, got ", N);
      A_log_ = Parameter({H, N / 2}, Init::constant(-std::numbers::ln2), Decay::kNo);
      A_im_ = Parameter({H, N / 2}, Init::uniform(0, std::numbers::pi * static_cast<double>(N) / 2), Decay::kNo);
  }
}

const char* Semiseparable::name() const {
  if (!options_.step_stream) return "semiseparable_constant";
  return options_.decay == StateDecay::kScalar ? "semiseparable" : "semiseparable_diagonal";
}

Traits Semiseparable::traits() const {
  const bool reverse = options_.reverse;
  return {.name = name(),
          .causal = !reverse,
          .sequence_aligned = true,
          .accuracy = options_.decay == StateDecay::kComplex ? 3e-14 : 0,  // turns of up to a hundred radians
          .rank_below = reverse ? 0 : options_.state,
          .rank_above = reverse ? options_.state : 0,
          .explicit_cost = "L^2 (N + P)",
          .fast_cost = "L (Q + N) P"};
}

std::vector<Stream> Semiseparable::streams() const {
  const Shape bc{options_.groups, options_.state};
  std::vector<Stream> s;
  if (options_.bc_stream) s = {{"B", bc}, {"C", bc}};
  if (options_.step_stream) s.push_back({"dt", {shape_.H}, Route::kDirect});
  if (options_.diagonal == Diagonal::kProjected) s.push_back({"fc_D", {shape_.H}, Route::kFromValue});
  return s;
}

void Semiseparable::visit(nn::Visitor& v) {
  v("dt_bias", dt_bias_);
  v("A_log", A_log_);
  v("A_im", A_im_);
  v("B", B_);
  v("C", C_);
  v("D", D_);
  v("initial_states", initial_states_);
}

SsdInputs Semiseparable::inputs(const Streams& c, int64_t L) const {
  const Shape bc{1, L, options_.groups, options_.state}, step{1, L, shape_.H};
  SsdInputs in{.dt_bias = dt_bias_, .A_log = A_log_, .A_im = A_im_, .initial = initial_states_};
  in.dt = options_.step_stream ? c["dt"] : Var(zeros(step, c.dtype(), c.device()));
  in.B = options_.bc_stream ? c["B"] : expand(cast(B_, c.dtype()), bc);
  in.C = options_.bc_stream ? c["C"] : expand(cast(C_, c.dtype()), bc);
  if (options_.diagonal == Diagonal::kProjected)
    in.delta = c["fc_D"] + D_;
  else if (options_.diagonal != Diagonal::kNone)
    in.delta = expand(D_, step);
  return in;
}

Var Semiseparable::do_matrix(const Streams& c, int64_t L) const { return ssd_matrix(inputs(c, L), options_.reverse); }

std::optional<Var> Semiseparable::do_offset(const Streams& c, int64_t L) const {
  if (!options_.initial_states) return std::nullopt;
  return ssd_offset(inputs(c, L), options_.reverse);
}

Var Semiseparable::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  SsdOptions options{.reverse = options_.reverse, .Q = options_.Q};
  if (!runs.is_full()) options.runs = runs;
  return ssd(v, inputs(c.by_token(runs), runs.L()), options).y;
}

SsdInputs Semiseparable::next_tokens(const Streams& c, const Var& v) const {
  require(!options_.reverse, name(), "a state is carried from left to right, this one walks from right to left");
  return inputs(c.by_token(Runs::full(v.dim(0), v.dim(1))), v.dim(1));
}

Recurrence::Carried Semiseparable::carry(const Streams& c, const Var& v, const Var& state) const {
  SsdInputs in = next_tokens(c, v);
  if (state.defined()) in.initial = state;
  const SsdResult next = ssd(v, in, {.Q = options_.Q});
  return {next.y, next.final_state};
}

Recurrence::Carried Semiseparable::step(const Streams& c, const Var& v, const Var& state) const {
  require(v.dim(1) == 1, name(), "a step is of one token, got ", v);
  SsdInputs in = next_tokens(c, v);
  for (Var* stream : {&in.dt, &in.B, &in.C, &in.delta})
    if (stream->defined()) *stream = squeeze(*stream, 1);
  Var before = state;
  if (!before.defined()) {
    const Shape shape{shape_.H, shape_.P, options_.state};
    const Var first = options_.initial_states ? initial_states_.var() : Var(zeros(shape, v.dtype(), v.device()));
    before = expand(first, Shape{v.dim(0)} + shape);
  }
  const SsdResult next = ssd_step(before, squeeze(v, 1), in);
  return {unsqueeze(next.y, 1), next.final_state};
}

}  // namespace matmix::mixers
