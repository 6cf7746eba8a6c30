#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "ops/quasiseparable/quasiseparable.h"
#include "ops/quasiseparable/quasiseparable_check.h"
#include "ops/scan/scan.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

/// [B, L, 1], true at tokens of a run for which holds(position, length of the run).
template <class F>
Tensor token_table(const Runs& runs, Device device, F holds) {
  const Tensor table = zeros({runs.B(), runs.L(), 1}, DType::Bool);
  for (const Run& run : runs.all())
    for (int64_t i = 0; i < run.length; ++i)
      table.data<bool>()[run.row * runs.L() + run.start + i] = holds(i, run.length);
  return to(table, device);
}
/// [B, 1, L, L], true at pairs of one run for which holds(position, position).
template <class F>
Tensor pair_table(const Runs& runs, Device device, F holds) {
  const Tensor table = zeros({runs.B(), 1, runs.L(), runs.L()}, DType::Bool);
  for (const Run& run : runs.all())
    for (int64_t i = 0; i < run.length; ++i)
      for (int64_t j = 0; j < run.length; ++j)
        table.data<bool>()[(run.row * runs.L() + run.start + i) * runs.L() + run.start + j] = holds(i, j);
  return to(table, device);
}

/// The inputs spread out by head, in the accumulator's dtype, 0 at padding.
class QuasiseparableTwin {
 public:
  QuasiseparableTwin(const QuasiseparableInputs& in, const QuasiseparableOptions& options)
      : in_(in), shift_(options.shift), runs_(check(in, options)), dtype_(in.B_f.dtype()) {
    wide_ = accumulator(dtype_);
    zero_ = zeros({1}, wide_, in.B_f.device());
    is_token_ = token_table(runs_, in.B_f.device(), [](int64_t, int64_t) { return true; });
  }

  /// delta on the diagonal plus both triangles, 0 outside the runs.
  Var matrix() const {
    Var M = triangle(0) + triangle(1);
    if (in_.delta.defined()) {
      const Tensor diagonal = zeros({runs_.L(), runs_.L()}, DType::Bool);
      for (int64_t i = 0; i < runs_.L(); ++i) diagonal.data<bool>()[i * runs_.L() + i] = true;
      M = M + where(to(diagonal, device()), unsqueeze(by_head(in_.delta), -1), zero_);
    }
    if (runs_.is_full()) return cast(M, dtype_);
    const Tensor same_run = pair_table(runs_, device(), [](int64_t, int64_t) { return true; });
    return cast(where(same_run, M, zero_), dtype_);
  }

  /// What the initial states give, both directions.
  Var offset() const {
    Var r;
    for (const int direction : {0, 1}) {
      if (!initial(direction).defined()) continue;
      const Var part = from_initial(direction);
      r = r.defined() ? r + part : part;
    }
    return r.defined() ? cast(permute(r, {0, 2, 1, 3}), dtype_) : r;
  }

 private:
  /// The runs, after all inputs were found to fit.
  static Runs check(const QuasiseparableInputs& in, const QuasiseparableOptions& options) {
    require(in.dt_f.defined() && in.dt_f.rank() == 3 && in.dt_f.dim(2) > 0, "quasiseparable",
            "dt_f must be [B, L, H] with H positive, got ", in.dt_f);
    require(in.B_f.defined() && is_floating(in.B_f.dtype()), "quasiseparable", "B_f must be floating, got ", in.B_f);
    const Var& initial = in.initial_f.defined() ? in.initial_f : in.initial_b;
    int64_t B = 1;
    for (const Var& stream : {in.dt_f, in.dt_b, in.B_f, in.C_f, in.B_b, in.C_b, in.delta})
      if (stream.rank() > 0 && stream.dim(0) != 1) B = stream.dim(0);
    if (options.runs) B = options.runs->B();
    const int64_t P = initial.rank() == 3 ? initial.dim(1) : 1;
    check_quasiseparable({B, in.dt_f.dim(1), in.dt_f.dim(2), P, in.B_f.dtype(), in.B_f.device()}, in, options);
    return options.runs.value_or(Runs::full(B, in.dt_f.dim(1)));
  }

  Device device() const { return in_.B_f.device(); }
  const Var& initial(int direction) const { return direction == 0 ? in_.initial_f : in_.initial_b; }

  /// [B, L, ...] with 0 at padding, so that nothing there, not even NaN, is ever multiplied.
  Var masked(const Var& stream) const {
    const Var x = cast(stream, wide_);
    if (runs_.is_full()) return x;
    return where(x.rank() == 4 ? is_token_.unsqueeze(-1) : is_token_, x, zero_);
  }
  /// [B, L, H] -> [B, H, L].
  Var by_head(const Var& stream) const { return transpose(masked(stream), 1, 2); }
  /// [B, L, G, N] -> [B, G, L, N].
  Var by_group(const Var& stream) const { return transpose(masked(stream), 1, 2); }
  Var spread(const Var& groups) const { return repeat(groups, 1, in_.dt_f.dim(2) / in_.B_f.dim(2)); }

  /// dt = softplus(raw + dt_bias), [B, H, L].
  Var steps(int direction) const {
    Var raw = masked(direction == 0 ? in_.dt_f : in_.dt_b);
    if (in_.dt_bias.defined()) raw = raw + cast(in_.dt_bias, wide_);
    return transpose(softplus(raw), 1, 2);
  }
  /// A dt, [B, H, L].
  Var log_decays(const Var& dt) const {
    if (!in_.A_log.defined()) return zeros(dt.shape(), wide_, device());
    return -exp(unsqueeze(cast(in_.A_log, wide_), -1)) * dt;
  }
  /// Row i becomes what row i reads: the token walked before it.
  Var read(const Var& rows, int direction) const { return shift_ ? shift(rows, 2, direction == 0 ? 1 : -1) : rows; }

  /// (C_i . B_j) exp(A sum of dt from j to i) dt_j.
  Var triangle(int direction) const {
    const Var dt = steps(direction);
    const Var products = spread(matmul(by_group(direction == 0 ? in_.C_f : in_.C_b),
                                       by_group(direction == 0 ? in_.B_f : in_.B_b), {.transpose_b = true}));
    const Var decays = exp(segsum(log_decays(dt), direction == 1));
    return read(products * decays * unsqueeze(dt, 2), direction);
  }

  /// C_i . (exp(A sum of dt from the run's edge to i) initial), [B, H, L, P]; the sums in F64.
  Var from_initial(int direction) const {
    const Tensor is_walked =
        pair_table(runs_, device(), [direction](int64_t i, int64_t k) { return direction == 0 ? k <= i : k >= i; });
    const Var log_decay = unsqueeze(cast(log_decays(steps(direction)), DType::F64), -1);
    const Var decays = cast(exp(matmul(cast(is_walked, DType::F64), log_decay)), wide_);
    const Var C = spread(by_group(direction == 0 ? in_.C_f : in_.C_b));
    const Var products = matmul(C, cast(initial(direction), wide_), {.transpose_b = true});
    const Tensor reads = token_table(runs_, device(), [&](int64_t i, int64_t length) {
      return !shift_ || (direction == 0 ? i > 0 : i + 1 < length);
    });
    return where(reads.unsqueeze(1), read(products * decays, direction), zero_);
  }

  const QuasiseparableInputs& in_;
  const bool shift_;
  const Runs runs_;
  const DType dtype_;
  DType wide_;
  Var zero_;
  Tensor is_token_;
};

}  // namespace

Var quasiseparable_matrix(const QuasiseparableInputs& in, const QuasiseparableOptions& options) {
  return QuasiseparableTwin(in, options).matrix();
}

Var quasiseparable_offset(const QuasiseparableInputs& in, const QuasiseparableOptions& options) {
  return QuasiseparableTwin(in, options).offset();
}

}  // namespace matmix
