#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "ops/reduce/reduce.h"
#include "ops/scan/scan.h"
#include "ops/ssd/ssd.h"
#include "ops/ssd/ssd_check.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

// The twins of the scan: its matrix, its answer to an initial state, and one step, by plain ops.
namespace matmix {
namespace {

/// A = rate + i A_im times steps [B, H, ...]: log decays, or angles, [B, H, M, ...] for the M numbers of each head.
Var by_number(const Var& numbers, const Var& steps) {
  const Var rows = reshape(numbers, {numbers.dim(0), numbers.numel() / numbers.dim(0)});  // [H, M]
  Shape ones = rows.shape();
  for (int axis = 2; axis < steps.rank(); ++axis) ones.push_back(1);
  return reshape(rows, ones) * unsqueeze(steps, 2);
}

Var softplus_of(const Var& raw, const Var& bias, DType dtype) {
  const Var x = cast(raw, dtype);
  return softplus(bias.defined() ? x + cast(bias, dtype) : x);
}

/// -exp(A_log) in `dtype`; 0 for no decay.
Var rates(const SsdInputs& in, int64_t H, DType dtype) {
  return in.A_log.defined() ? -exp(cast(in.A_log, dtype)) : Var(zeros({H}, dtype, in.B.device()));
}

/// The inputs of whole rows spread out by head, in the accumulator's dtype.
class SsdTwin {
 public:
  SsdTwin(const SsdInputs& in, bool reverse) : in_(in), reverse_(reverse) {
    require(in.dt.defined() && in.dt.rank() == 3 && in.dt.dim(2) > 0, "ssd",
            "dt must be [B, L, H] with H positive, got ", in.dt);
    require(in.B.defined() && is_floating(in.B.dtype()), "ssd", "B must be floating, got ", in.B);
    H_ = in.dt.dim(2);
    int64_t B = 1;
    for (const Var& stream : {in.dt, in.B, in.C, in.delta})
      if (stream.rank() > 0 && stream.dim(0) != 1) B = stream.dim(0);
    const int64_t P = in.initial.defined() ? in.initial.dim(-2) : 1;
    const int64_t runs = in.initial.rank() == 4 ? in.initial.dim(0) : B;
    check_ssd({{B, in.dt.dim(1)}, H_, P, runs, in.B.dtype(), in.B.device()}, in);
    dtype_ = accumulator(in.B.dtype());
    B_ = by_head(in.B);
    C_ = by_head(in.C);
    steps_ = transpose(softplus_of(in.dt, in.dt_bias, dtype_), 1, 2);  // [B, H, L]
  }

  Var matrix() const {
    Var M = in_.A_im.defined() ? complex_pairs() : real_pairs();
    M = M * unsqueeze(steps_, 2);
    if (in_.delta.defined()) {
      const Tensor diagonal = eye(in_.dt.dim(1), dtype_, in_.B.device());
      M = M + unsqueeze(transpose(cast(in_.delta, dtype_), 1, 2), -1) * diagonal;
    }
    return cast(M, in_.B.dtype());
  }

  /// C_i . (exp(A sum of dt up to i) initial), [B, L, H, P]; the sums in F64.
  Var offset() const {
    if (!in_.initial.defined()) return {};
    const Var walked = cumsum(steps_, 2, {.reverse = reverse_});
    const Var decays = transpose(exp(by_number(rates(in_, H_, dtype_), walked)), 2, 3);  // [B, H, L, M]
    Var C = C_;
    if (in_.A_im.defined()) {
      const Var angles = transpose(by_number(cast(in_.A_im, dtype_), walked), 2, 3);
      const auto [re, im] = halves(C);
      C = concat({decays * (cos(angles) * re + sin(angles) * im), decays * (cos(angles) * im - sin(angles) * re)}, -1);
    } else {
      C = C * decays;
    }
    const Var r = matmul(C, cast(in_.initial, dtype_), {.transpose_b = true});
    return cast(transpose(r, 1, 2), in_.B.dtype());
  }

 private:
  /// [B, L, G, N] -> [B, H, L, N].
  Var by_head(const Var& rows) const { return repeat(transpose(cast(rows, dtype_), 1, 2), 1, H_ / in_.B.dim(2)); }
  std::pair<Var, Var> halves(const Var& rows) const {
    const int64_t half = in_.B.dim(3) / 2;
    return {narrow(rows, 3, 0, half), narrow(rows, 3, half, half)};
  }
  /// [B, H, M, L, L]: decay from j to i, 0 where j is not walked before i.
  Var decays() const { return exp(segsum(by_number(rates(in_, H_, dtype_), steps_), reverse_)); }
  /// a_i[n] b_j[n], [B, H, n, L, L].
  static Var outer(const Var& a, const Var& b) {
    return unsqueeze(transpose(a, 2, 3), -1) * unsqueeze(transpose(b, 2, 3), -2);
  }

  Var real_pairs() const {
    if (!in_.A_log.defined() || in_.A_log.rank() == 1)
      return matmul(C_, B_, {.transpose_b = true}) * squeeze(decays(), 2);
    return sum(outer(C_, B_) * decays(), {2});
  }

  /// Re conj(C_i) exp(..) B_j: of the two parts the rotation by an angle, and by the angle and a quarter.
  Var complex_pairs() const {
    const Var numbers = cast(in_.A_im, dtype_);
    const Var sums = segsum(by_number(numbers, steps_), reverse_), zero = zeros({1}, dtype_, in_.B.device());
    const Var angles = where(is_walked(sums.dim(-1)), sums, zero);
    const auto [C_re, C_im] = halves(C_);
    const auto [B_re, B_im] = halves(B_);
    const Var along = outer(C_re, B_re) + outer(C_im, B_im), across = outer(C_im, B_re) - outer(C_re, B_im);
    return sum(decays() * (cos(angles) * along + sin(angles) * across), {2});
  }

  /// [L, L], true where j is walked no later than i.
  Tensor is_walked(int64_t L) const {
    const Tensor table = zeros({L, L}, DType::Bool);
    for (int64_t i = 0; i < L; ++i)
      for (int64_t j = 0; j < L; ++j) table.data<bool>()[i * L + j] = reverse_ ? j >= i : j <= i;
    return to(table, in_.B.device());
  }

  const SsdInputs& in_;
  const bool reverse_;
  int64_t H_;
  DType dtype_;
  Var B_, C_, steps_;
};

/// exp(A dt) state, states as [B, H, P, N], steps [B, H].
Var decayed(const Var& state, const SsdInputs& in, const Var& steps) {
  const auto by_state = [&](const Var& numbers) { return unsqueeze(by_number(numbers, steps), 2); };  // [B, H, 1, M]
  const Var size = exp(by_state(rates(in, steps.dim(1), steps.dtype())));
  if (!in.A_im.defined()) return size * state;
  const Var angle = by_state(cast(in.A_im, steps.dtype()));
  const std::vector<Var> parts = split(state, {state.dim(3) / 2, state.dim(3) / 2}, 3);
  return concat(
      {size * (cos(angle) * parts[0] - sin(angle) * parts[1]), size * (sin(angle) * parts[0] + cos(angle) * parts[1])},
      3);
}

}  // namespace

Var ssd_matrix(const SsdInputs& in, bool reverse) { return SsdTwin(in, reverse).matrix(); }

Var ssd_offset(const SsdInputs& in, bool reverse) { return SsdTwin(in, reverse).offset(); }

SsdResult ssd_step(const Var& state, const Var& x, const SsdInputs& in) {
  require(x.defined() && x.rank() == 3 && is_floating(x.dtype()), "ssd", "x must be floating [B, H, P], got ", x);
  const int64_t B = x.dim(0), H = x.dim(1), P = x.dim(2);
  SsdInputs token = in;
  token.initial = {};
  check_ssd({{B}, H, P, B, x.dtype(), x.device()}, token);
  const int64_t G = in.B.dim(1), N = in.B.dim(2);
  require(state.defined() && state.shape() == Shape{B, H, P, N}, "ssd", "state must be ", Shape{B, H, P, N}, ", got ",
          state);
  const DType dtype = accumulator(x.dtype());
  const Var steps = softplus_of(in.dt, in.dt_bias, dtype), wide_x = cast(x, dtype);
  const auto by_head = [&](const Var& rows) { return unsqueeze(repeat(cast(rows, dtype), 1, H / G), 2); };
  const Var input = unsqueeze(wide_x * unsqueeze(steps, -1), -1) * by_head(in.B);
  const Var next = decayed(cast(state, dtype), in, steps) + input;
  Var y = sum(next * by_head(in.C), {3});
  if (in.delta.defined()) y = y + unsqueeze(cast(in.delta, dtype), -1) * wide_x;
  return {cast(y, x.dtype()), next};
}

}  // namespace matmix
