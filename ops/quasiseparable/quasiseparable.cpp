#include "ops/quasiseparable/quasiseparable.h"

#include <algorithm>
#include <array>

#include "autograd/node.h"
#include "ops/common/gradient_place.h"
#include "ops/common/views.h"
#include "ops/quasiseparable/quasiseparable_check.h"
#include "ops/quasiseparable/quasiseparable_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

constexpr const char* kQuasiseparable = "quasiseparable";

std::vector<Var> listed(const Var& x, const QuasiseparableInputs& in) {
  return {x,      in.dt_f, in.dt_b, in.dt_bias, in.A_log,     in.B_f,
          in.B_b, in.C_f,  in.C_b,  in.delta,   in.initial_f, in.initial_b};
}

/// A call: what was kept of it, and how it walks.
struct QuasiseparableCall {
  /// In the order of the history.
  enum Input { kX, kDtF, kDtB, kDtBias, kALog, kBF, kBB, kCF, kCB, kDelta, kInitialF, kInitialB, kInputs };
  static constexpr std::array<const char*, kInputs> kNames{"x",   "dt_f", "dt_b", "dt_bias", "A_log",     "B_f",
                                                           "B_b", "C_f",  "C_b",  "delta",   "initial_f", "initial_b"};

  std::array<Saved, kInputs> kept;
  Runs runs;
  int64_t Q;
  bool shift;

  /// The inputs as the kernels take them.
  QuasiseparableValues values() const {
    const Tensor& x = kept[kX];
    const auto wide = [&](int input) {
      const Tensor& t = kept[input];
      return t.defined() ? cast(t, accumulator(x.dtype())) : t;
    };
    const auto master = [&](int input) {
      const Tensor t = wide(input);
      return t.defined() ? contiguous(t) : t;
    };
    const auto by_token = [&](int input) {
      const Tensor t = wide(input);
      return t.defined() ? t.expand({x.dim(0), x.dim(1), x.dim(2)}) : t;
    };
    const auto rows = [&](int input) { return over_batch(kept[input], x.dim(0)); };
    QuasiseparableValues v{.x = dense_rows(x),
                           .B = {rows(kBF), rows(kBB)},
                           .C = {rows(kCF), rows(kCB)},
                           .dt = {by_token(kDtF), by_token(kDtB)},
                           .dt_bias = master(kDtBias),
                           .A_log = master(kALog),
                           .delta = by_token(kDelta),
                           .initial = {master(kInitialF), master(kInitialB)},
                           .chunk_rows = {},
                           .run_id = {},
                           .Q = Q,
                           .shift = shift};
    if (!runs.is_full()) {
      v.chunk_rows = runs.chunks(Q, x.device());
      v.run_id = runs.id(x.device());
    }
    return v;
  }
};

/// [chunks, H, 2, N, P]; undefined where all states are 0.
Tensor make_states(const QuasiseparableValues& v, const Runs& runs) {
  const bool one_chunk_a_run = std::ranges::all_of(runs.all(), [&](const Run& run) { return run.length <= v.Q; });
  if (one_chunk_a_run && !v.initial[0].defined() && !v.initial[1].defined()) return {};
  return empty({v.chunk_count(), v.x.dim(2), 2, v.B[0].dim(3), v.x.dim(3)}, accumulator(v.x.dtype()), v.x.device());
}

void give_gradients(const Backward& b, const QuasiseparableCall& call, const Tensor& states) {
  using enum QuasiseparableCall::Input;
  const QuasiseparableValues v = call.values();
  const Runs& runs = call.runs;
  const auto like = [&](int input, const Tensor& t) { return gradient_place(b, input, t, runs); };
  const auto parts = [&](const Tensor& t, int64_t count) {
    return t.defined() ? empty(Shape{count} + t.shape(), t.dtype(), t.device()) : t;
  };
  const int64_t run_count = static_cast<int64_t>(runs.all().size());
  const QuasiseparableGradients to{.dx = like(kX, v.x),
                                   .dB = {like(kBF, v.B[0]), like(kBB, v.B[1])},
                                   .dC = {like(kCF, v.C[0]), like(kCB, v.C[1])},
                                   .ddt = {like(kDtF, v.dt[0]), like(kDtB, v.dt[1])},
                                   .dA_log = parts(v.A_log, v.chunk_count()),
                                   .ddelta = like(kDelta, v.delta),
                                   .dinitial = {parts(v.initial[0], run_count), parts(v.initial[1], run_count)}};
  if (v.chunk_count() > 0) kQuasiseparableBackward(v.x.device(), v, dense_rows(b.dy()), {}, states, to);
  // dt_bias shifts both directions' raw steps, so its gradient is the sum of theirs.
  const std::pair<int, Tensor> given[] = {{kX, to.dx},
                                          {kDtBias, to.ddt[0]},
                                          {kDtBias, to.ddt[1]},
                                          {kDtF, to.ddt[0]},
                                          {kDtB, to.ddt[1]},
                                          {kALog, to.dA_log},
                                          {kBF, to.dB[0]},
                                          {kBB, to.dB[1]},
                                          {kCF, to.dC[0]},
                                          {kCB, to.dC[1]},
                                          {kDelta, to.ddelta},
                                          {kInitialF, to.dinitial[0]},
                                          {kInitialB, to.dinitial[1]}};
  for (const auto& [input, gradient] : given)
    if (b.needs(input)) b.give(input, gradient);
}

}  // namespace

void check_quasiseparable(const QuasiseparableSizes& s, const QuasiseparableInputs& in,
                          const QuasiseparableOptions& options) {
  const auto fits = [&](const char* name, const Var& input, const Shape& shape) {
    require(input.defined() && input.shape() == shape, kQuasiseparable, name, " must be ", shape, ", got ", input);
    require(is_floating(input.dtype()) && input.device() == s.device, kQuasiseparable, name, " must be floating on ",
            s.device, ", got ", input);
  };
  // One row serves the whole batch.
  const auto stream_fits = [&](const char* name, const Var& input, const Shape& token) {
    const bool one_row = input.rank() > 0 && input.dim(0) == 1;
    fits(name, input, Shape{one_row ? 1 : s.B, s.L} + token);
  };
  const auto rows_fit = [&](const char* name, const Var& input) {
    stream_fits(name, input, {in.B_f.dim(2), in.B_f.dim(3)});
    require(input.dtype() == s.dtype, kQuasiseparable, name, " must be ", s.dtype, ", got ", input);
  };
  require(in.B_f.defined() && in.B_f.rank() == 4 && in.B_f.dim(2) > 0 && in.B_f.dim(3) > 0, kQuasiseparable,
          "B_f must be [B, L, G, N] with G and N positive, got ", in.B_f);
  require(s.H % in.B_f.dim(2) == 0, kQuasiseparable, "groups must divide the ", s.H, " heads, got B_f ", in.B_f);
  rows_fit("B_f", in.B_f);
  rows_fit("C_f", in.C_f);
  rows_fit("B_b", in.B_b);
  rows_fit("C_b", in.C_b);
  stream_fits("dt_f", in.dt_f, {s.H});
  stream_fits("dt_b", in.dt_b, {s.H});
  if (in.delta.defined()) stream_fits("delta", in.delta, {s.H});
  if (in.dt_bias.defined()) fits("dt_bias", in.dt_bias, {s.H});
  if (in.A_log.defined()) fits("A_log", in.A_log, {s.H});
  const Shape state{s.H, s.P, in.B_f.dim(3)};
  if (in.initial_f.defined()) fits("initial_f", in.initial_f, state);
  if (in.initial_b.defined()) fits("initial_b", in.initial_b, state);
  require(options.Q > 0, kQuasiseparable, "Q must be positive, got ", options.Q);
  if (options.runs)
    require(options.runs->B() == s.B && options.runs->L() == s.L, kQuasiseparable, "runs must be of ", s.B, " rows of ",
            s.L, " tokens, got ", options.runs->B(), " of ", options.runs->L());
}

Var quasiseparable(const Var& x, const QuasiseparableInputs& in, const QuasiseparableOptions& options) {
  require(x.defined() && x.rank() == 4 && is_floating(x.dtype()) && x.dim(2) > 0 && x.dim(3) > 0, kQuasiseparable,
          "x must be floating [B, L, H, P] with H and P positive, got ", x);
  check_quasiseparable({x.dim(0), x.dim(1), x.dim(2), x.dim(3), x.dtype(), x.device()}, in, options);
  const std::vector<Var> inputs = listed(x, in);
  const Runs runs = options.runs.value_or(Runs::full(x.dim(0), x.dim(1)));
  QuasiseparableCall call{
      .kept = {},
      .runs = runs,
      .Q = std::min({options.Q, longest_chunk(x.device(), x.dtype()), std::max<int64_t>(1, x.dim(1))}),
      .shift = options.shift};
  for (int i = 0; i < QuasiseparableCall::kInputs; ++i)
    call.kept[i] = Saved(inputs[i].value(), QuasiseparableCall::kNames[i]);

  const QuasiseparableValues v = call.values();
  const Tensor states = make_states(v, runs);
  const Tensor y = runs.is_full() ? empty(x.shape(), x.dtype(), x.device()) : zeros(x.shape(), x.dtype(), x.device());
  if (v.chunk_count() > 0) kQuasiseparableForward(x.device(), v, y, states, {});
  return record(kQuasiseparable, inputs, y,
                [call, states = Saved(states, "states")](Backward& b) { give_gradients(b, call, states); });
}

}  // namespace matmix
