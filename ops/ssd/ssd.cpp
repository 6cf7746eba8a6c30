#include "ops/ssd/ssd.h"

#include <algorithm>
#include <array>

#include "autograd/node.h"
#include "ops/common/gradient_place.h"
#include "ops/common/views.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/ssd/ssd_check.h"
#include "ops/ssd/ssd_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

constexpr const char* kSsd = "ssd";

std::vector<Var> listed(const Var& x, const SsdInputs& in) {
  return {x, in.dt, in.dt_bias, in.A_log, in.A_im, in.B, in.C, in.delta, in.initial};
}

bool is_one_number_a_head(const Tensor& A_log) { return !A_log.defined() || A_log.rank() == 1; }

/// A call: what was kept of it, and how it walks.
struct SsdCall {
  /// In the order of the history.
  enum Input { kX, kDt, kDtBias, kALog, kAIm, kB, kC, kDelta, kInitial, kInputs };
  static constexpr std::array<const char*, kInputs> kNames{"x", "dt", "dt_bias", "A_log",  "A_im",
                                                           "B", "C",  "delta",   "initial"};

  std::array<Saved, kInputs> kept;
  Runs runs;
  int64_t Q;
  int direction;

  const Tensor& at(int input) const { return kept[input]; }
  Tensor master(int input) const {
    return at(input).defined() ? contiguous(cast(at(input), accumulator(at(kX).dtype()))) : Tensor();
  }
  bool one_number_a_head() const { return is_one_number_a_head(at(kALog)); }
  int64_t run_count() const { return static_cast<int64_t>(runs.all().size()); }

  /// The inputs as the kernels take them; A is where it belongs.
  SsdValues values() const {
    const Tensor x = dense_rows(at(kX));
    const auto by_token = [&](int input) {
      const Tensor& t = at(input);
      return t.defined() ? cast(t, accumulator(x.dtype())).expand({x.dim(0), x.dim(1), x.dim(2)}) : t;
    };
    const auto rows = [&](int input) { return over_batch(at(input), x.dim(0)); };
    SsdValues s{.v = {}, .A_log = {}, .A_im = master(kAIm)};
    s.v.x = x;
    s.v.B[direction] = rows(kB);
    s.v.C[direction] = rows(kC);
    s.v.dt[direction] = by_token(kDt);
    s.v.dt_bias = master(kDtBias);
    s.v.delta = by_token(kDelta);
    s.v.initial[direction] = master(kInitial);
    (one_number_a_head() ? s.v.A_log : s.A_log) = master(kALog);
    if (!runs.is_full()) {
      s.v.chunk_rows = runs.chunks(Q, x.device());
      s.v.run_id = runs.id(x.device());
    }
    s.v.Q = Q;
    s.v.shift = false;
    s.v.first_direction = direction;
    s.v.past_direction = direction + 1;
    return s;
  }

  /// t, where the kernels look for it.
  std::array<Tensor, 2> in_direction(const Tensor& t) const {
    std::array<Tensor, 2> both;
    both[direction] = t;
    return both;
  }
};

/// [count, ...] for the parts of a gradient that are summed when it is given.
Tensor parts_of(int64_t count, const Tensor& t) {
  return t.defined() ? empty(Shape{count} + t.shape(), t.dtype(), t.device()) : t;
}

void give_gradients(const Backward& b, const SsdCall& scan, const Tensor& states) {
  using enum SsdCall::Input;
  const SsdValues s = scan.values();
  const int d = scan.direction;
  const int64_t chunks = s.v.chunk_count();
  const auto like = [&](int input, const Tensor& t) { return gradient_place(b, input, t, scan.runs); };
  QuasiseparableGradients to;
  to.dx = like(kX, s.v.x);
  to.dB[d] = like(kB, s.v.B[d]);
  to.dC[d] = like(kC, s.v.C[d]);
  to.ddt[d] = like(kDt, s.v.dt[d]);
  to.ddelta = like(kDelta, s.v.delta);
  to.dA_log = parts_of(chunks, s.v.A_log);
  const Tensor& initial = s.v.initial[d];
  if (initial.defined()) {
    const Shape shape{scan.run_count(), initial.dim(-3), initial.dim(-2), initial.dim(-1)};
    to.dinitial[d] = empty(shape, initial.dtype(), initial.device());
  }
  const SsdRates rates{parts_of(chunks, s.A_log), parts_of(chunks, s.A_im)};
  const Device device = s.v.x.device();
  if (chunks > 0) {
    const Tensor dy = b.dy(0).defined() ? dense_rows(b.dy(0)) : zeros(s.v.x.shape(), s.v.x.dtype(), device);
    const Tensor dfinal = b.dy(1).defined() ? contiguous(b.dy(1)) : Tensor();
    if (scan.one_number_a_head())
      kQuasiseparableBackward(device, s.v, dy, scan.in_direction(dfinal), states, to);
    else
      kSsdBackward(device, s, dy, dfinal, states, to, rates);
  }
  // dt_bias shifts the raw steps.
  const std::pair<int, Tensor> given[] = {
      {kX, to.dx},         {kDtBias, to.ddt[d]}, {kDt, to.ddt[d]}, {kALog, to.dA_log},  {kALog, rates.dA_log},
      {kAIm, rates.dA_im}, {kB, to.dB[d]},       {kC, to.dC[d]},   {kDelta, to.ddelta}, {kInitial, to.dinitial[d]}};
  for (const auto& [input, gradient] : given)
    if (gradient.defined() && b.needs(input)) b.give(input, gradient);
}

Var state_or_zeros(const Var& state, const Shape& shape, DType dtype, Device device) {
  return state.defined() ? cast(state, dtype) : Var(zeros(shape, dtype, device));
}

}  // namespace

void check_ssd(const SsdSizes& s, const SsdInputs& in) {
  const auto fits = [&](const char* name, const Var& input, const Shape& shape) {
    require(input.defined() && input.shape() == shape, kSsd, name, " must be ", shape, ", got ", input);
    require(is_floating(input.dtype()) && input.device() == s.device, kSsd, name, " must be floating on ", s.device,
            ", got ", input);
  };
  const Shape token = s.tokens;
  // One row serves the whole batch.
  const auto stream_fits = [&](const char* name, const Var& input, const Shape& width) {
    Shape shape = token + width;
    if (input.rank() > 0 && input.dim(0) == 1) shape[0] = 1;
    fits(name, input, shape);
  };
  const int rank = token.rank() + 2;
  require(in.B.defined() && in.B.rank() == rank && in.B.dim(-2) > 0 && in.B.dim(-1) > 0, kSsd, "B must be [",
          rank == 4 ? "B, L" : "B", ", G, N] with G and N positive, got ", in.B);
  const int64_t G = in.B.dim(-2), N = in.B.dim(-1);
  require(s.H % G == 0, kSsd, "groups must divide the ", s.H, " heads, got B ", in.B);
  for (const auto& [name, rows] : {std::pair{"B", &in.B}, std::pair{"C", &in.C}}) {
    stream_fits(name, *rows, {G, N});
    require(rows->dtype() == s.dtype, kSsd, name, " must be ", s.dtype, ", got ", *rows);
  }
  stream_fits("dt", in.dt, {s.H});
  if (in.delta.defined()) stream_fits("delta", in.delta, {s.H});
  if (in.dt_bias.defined()) fits("dt_bias", in.dt_bias, {s.H});
  if (in.A_im.defined()) {
    require(N % 2 == 0, kSsd, "N must be even where A is complex, got ", N);
    fits("A_im", in.A_im, {s.H, N / 2});
    fits("A_log", in.A_log, {s.H, N / 2});
  } else if (in.A_log.defined()) {
    fits("A_log", in.A_log, in.A_log.rank() == 2 ? Shape{s.H, N} : Shape{s.H});
  }
  if (in.initial.defined())
    fits("initial", in.initial, in.initial.rank() == 4 ? Shape{s.runs, s.H, s.P, N} : Shape{s.H, s.P, N});
}

SsdResult ssd(const Var& x, const SsdInputs& in, const SsdOptions& options) {
  require(x.defined() && x.rank() == 4 && is_floating(x.dtype()) && x.dim(2) > 0 && x.dim(3) > 0, kSsd,
          "x must be floating [B, L, H, P] with H and P positive, got ", x);
  const int64_t B = x.dim(0), L = x.dim(1), H = x.dim(2), P = x.dim(3);
  require(options.Q > 0, kSsd, "Q must be positive, got ", options.Q);
  const Runs runs = options.runs.value_or(Runs::full(B, L));
  require(runs.B() == B && runs.L() == L, kSsd, "runs must be of ", B, " rows of ", L, " tokens, got ", runs.B(),
          " of ", runs.L());
  const int64_t run_count = runs.is_full() ? B : static_cast<int64_t>(runs.all().size());
  check_ssd({{B, L}, H, P, run_count, x.dtype(), x.device()}, in);

  const int64_t N = in.B.dim(3);
  const DType carried = accumulator(x.dtype());
  if (L == 0) return {x, expand(state_or_zeros(in.initial, {H, P, N}, carried, x.device()), {B, H, P, N})};

  const int64_t longest =
      is_one_number_a_head(in.A_log.value()) ? longest_chunk(x.device(), x.dtype()) : longest_ssd_chunk(x.device());
  SsdCall scan{.kept = {},
               .runs = runs,
               .Q = std::min({options.Q, longest, std::max<int64_t>(1, L)}),
               .direction = options.reverse ? 1 : 0};
  const std::vector<Var> inputs = listed(x, in);
  for (int i = 0; i < SsdCall::kInputs; ++i) scan.kept[i] = Saved(inputs[i].value(), SsdCall::kNames[i]);

  const SsdValues s = scan.values();
  const int64_t chunks = s.v.chunk_count();
  const Tensor y = runs.is_full() ? empty(x.shape(), x.dtype(), x.device()) : zeros(x.shape(), x.dtype(), x.device());
  const Tensor final_state = empty({run_count, H, P, N}, carried, x.device());
  const Tensor states = empty({chunks, H, P * N}, carried, x.device());
  if (chunks > 0) {
    if (scan.one_number_a_head())
      kQuasiseparableForward(x.device(), s.v, y, states, scan.in_direction(final_state));
    else
      kSsdForward(x.device(), s, y, states, final_state);
  }
  const std::vector<Var> results =
      record(kSsd, inputs, std::vector<Tensor>{y, final_state},
             [scan, states = Saved(states, "states")](Backward& b) { give_gradients(b, scan, states); });
  return {results[0], results[1]};
}

}  // namespace matmix
