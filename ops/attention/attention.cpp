#include "ops/attention/attention.h"

#include <cmath>

#include "autograd/node.h"
#include "ops/attention/attention_check.h"
#include "ops/attention/attention_kernels.h"
#include "ops/common/gradient_place.h"
#include "ops/common/views.h"
#include "tensor/create.h"

namespace matmix {
namespace {

constexpr const char* kAttention = "attention";

AttentionValues values_of(const Tensor& q, const Tensor& k, const Tensor& v, const Runs& runs, double scale,
                          bool causal) {
  const int64_t B = v.dim(0), Q = attention_tile(v.device(), v.dtype());
  return {.q = over_batch(q, B),
          .k = over_batch(k, B),
          .v = over_batch(v, B),
          .chunk_rows = runs.is_full() ? Tensor() : runs.chunks(Q, v.device()),
          .Q = Q,
          .scale = scale,
          .causal = causal};
}

}  // namespace

void check_attention(const Var& q, const Var& k, int64_t B, const AttentionOptions& options) {
  require(q.defined() && q.rank() == 4 && is_floating(q.dtype()) && q.dim(2) > 0 && q.dim(3) > 0, kAttention,
          "q must be floating [B, L, H, E] with H and E positive, got ", q);
  for (const auto& [name, x] : {std::pair<const char*, const Var&>{"q", q}, {"k", k}}) {
    const Shape want{x.rank() > 0 && x.dim(0) == 1 ? 1 : B, q.dim(1), q.dim(2), q.dim(3)};
    require(x.defined() && x.shape() == want && x.dtype() == q.dtype() && x.device() == q.device(), kAttention, name,
            " must be ", q.dtype(), " ", want, " on ", q.device(), ", got ", x);
  }
  if (options.runs)
    require(options.runs->B() == B && options.runs->L() == q.dim(1), kAttention, "runs must be of ", B, " rows of ",
            q.dim(1), " tokens, got ", options.runs->B(), " of ", options.runs->L());
}

double attention_scale(const Var& q, const AttentionOptions& options) {
  return options.scale.value_or(1 / std::sqrt(static_cast<double>(q.dim(3))));
}

Var attention(const Var& q, const Var& k, const Var& v, const AttentionOptions& options) {
  require(v.defined() && v.rank() == 4 && is_floating(v.dtype()) && v.dim(3) > 0, kAttention,
          "v must be floating [B, L, H, P] with P positive, got ", v);
  check_attention(q, k, v.dim(0), options);
  const Shape want{v.dim(0), q.dim(1), q.dim(2), v.dim(3)};
  require(v.shape() == want && v.dtype() == q.dtype() && v.device() == q.device(), kAttention, "v must be ", q.dtype(),
          " ", want, " on ", q.device(), ", got ", v);

  const Runs runs = options.runs.value_or(Runs::full(v.dim(0), v.dim(1)));
  const double scale = attention_scale(q, options);
  const AttentionValues values = values_of(q.value(), k.value(), v.value(), runs, scale, options.causal);
  const Tensor y = runs.is_full() ? empty(v.shape(), v.dtype(), v.device()) : zeros(v.shape(), v.dtype(), v.device());
  const Tensor lse = empty({v.dim(0), v.dim(2), v.dim(1)}, accumulator(v.dtype()), v.device());
  if (values.tile_count() > 0) kAttentionForward(v.device(), values, y, lse);
  return record(kAttention, {q, k, v}, y,
                [q = Saved(q.value(), "q"), k = Saved(k.value(), "k"), v = Saved(v.value(), "v"), y = Saved(y, "y"),
                 lse = Saved(lse, "log sums"), runs, scale, causal = options.causal](Backward& b) {
                  const AttentionValues values = values_of(q, k, v, runs, scale, causal);
                  const AttentionGradients to{gradient_place(b, 0, values.q, runs),
                                              gradient_place(b, 1, values.k, runs),
                                              gradient_place(b, 2, values.v, runs)};
                  if (values.tile_count() > 0)
                    kAttentionBackward(y.get().device(), values, y, lse, dense_rows(b.dy()), to);
                  const Tensor gradients[] = {to.dq, to.dk, to.dv};
                  for (const int input : {0, 1, 2})
                    if (b.needs(input)) b.give(input, gradients[input]);
                });
}

}  // namespace matmix
