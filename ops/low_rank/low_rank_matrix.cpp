#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/low_rank/low_rank.h"
#include "ops/low_rank/low_rank_check.h"
#include "ops/matmul/matmul.h"
#include "ops/reduce/reduce.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

/// [B, L, 1, 1], true at tokens of a run, and [B, 1, L, L], true at pairs of tokens of one run.
std::pair<Tensor, Tensor> tables(const Runs& runs, Device device) {
  const int64_t B = runs.B(), L = runs.L();
  const Tensor token = zeros({B, L, 1, 1}, DType::Bool), pair = zeros({B, 1, L, L}, DType::Bool);
  for (const Run& run : runs.all()) {
    fill(token.narrow(0, run.row, 1).narrow(1, run.start, run.length), 1);
    fill(pair.narrow(0, run.row, 1).narrow(2, run.start, run.length).narrow(3, run.start, run.length), 1);
  }
  return {to(token, device), to(pair, device)};
}

}  // namespace

Var low_rank_matrix(const Var& q, const Var& k, const LowRankOptions& options) {
  const int64_t rows = q.rank() == 4 && q.dim(0) == 1 && k.rank() == 4 ? k.dim(0) : q.rank() == 4 ? q.dim(0) : 1;
  check_low_rank(q, k, options.runs ? options.runs->B() : rows, options);
  const auto product = [&](const Var& queries, const Var& keys) {
    return matmul(permute(queries, {0, 2, 1, 3}), permute(keys, {0, 2, 3, 1}), {.scale = options.scale});
  };
  Var M;
  if (options.runs && !options.runs->is_full()) {
    const auto [token, pair] = tables(*options.runs, q.device());
    const Var zero = zeros({1}, q.dtype(), q.device());
    M = where(pair, product(where(token, q, zero), where(token, k, zero)), zero);
  } else {
    M = product(q, k);
  }
  return options.normalise ? M / affine(sum(M, {-1}, true), 1, options.eps) : M;
}

}  // namespace matmix
