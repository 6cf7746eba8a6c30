#include <limits>

#include "ops/attention/attention.h"
#include "ops/attention/attention_check.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "ops/softmax/softmax.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

/// [B, L, 1, 1], true at tokens of a run.
Tensor token_table(const Runs& runs, Device device) {
  const Tensor table = zeros({runs.B(), runs.L(), 1, 1}, DType::Bool);
  for (const Run& run : runs.all()) fill(table.select(0, run.row).narrow(0, run.start, run.length), 1);
  return to(table, device);
}

/// [B, 1, L, L], true where token i may attend to token j.
Tensor pair_table(const Runs& runs, bool causal, Device device) {
  const Tensor table = zeros({runs.B(), 1, runs.L(), runs.L()}, DType::Bool);
  for (const Run& run : runs.all())
    for (int64_t i = 0; i < run.length; ++i) {
      const Tensor row = table.select(0, run.row).select(0, 0).select(0, run.start + i);
      fill(row.narrow(0, run.start, causal ? i + 1 : run.length), 1);
    }
  return to(table, device);
}

}  // namespace

Var attention_matrix(const Var& q, const Var& k, const AttentionOptions& options) {
  require(q.defined() && k.defined() && q.rank() == 4 && k.rank() == 4, "attention",
          "q and k must be [B, L, H, E], got ", q, " and ", k);
  const int64_t B = options.runs ? options.runs->B() : q.dim(0) != 1 ? q.dim(0) : k.dim(0);
  check_attention(q, k, B, options);
  const Runs runs = options.runs.value_or(Runs::full(B, q.dim(1)));
  const DType wide = accumulator(q.dtype());
  // [B, H, L, E], 0 at padding, so that nothing there, not even NaN, is ever multiplied.
  const Var zero = zeros({1}, wide, q.device());
  const auto by_head = [&](const Var& x) {
    const Var values = cast(x, wide);
    return transpose(runs.is_full() ? values : where(token_table(runs, q.device()), values, zero), 1, 2);
  };
  Var scores = matmul(by_head(q), by_head(k), {.transpose_b = true, .scale = attention_scale(q, options)});
  if (!runs.is_full() || options.causal) {
    const Tensor never = full({1}, -std::numeric_limits<double>::infinity(), wide, q.device());
    scores = where(pair_table(runs, options.causal, q.device()), scores, never);
  }
  const Var M = cast(softmax(scores), q.dtype());
  return M.dim(0) == B ? M : expand(M, {B, M.dim(1), M.dim(2), M.dim(3)});
}

}  // namespace matmix
