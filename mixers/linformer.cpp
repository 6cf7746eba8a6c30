#include "mixers/linformer.h"

#include <cmath>

#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"
#include "ops/softmax/softmax.h"

namespace matmix::mixers {
namespace {

/// The columns of the first L positions.
Var columns(const Var& projection, int64_t L) {
  return L == projection.dim(1) ? projection : narrow(projection, 1, 0, L);
}

/// projection [r, L] of x [n, L, H, W] -> [n, r, H, W]: all heads in one product.
Var projected(const Var& projection, const Var& x) {
  const int64_t n = x.dim(0), H = x.dim(2), W = x.dim(3);
  const Var y = matmul(projection, reshape(x, {n, x.dim(1), H * W}));
  return reshape(y, {n, projection.dim(0), H, W});
}

}  // namespace

Linformer::Linformer(const BlockShape& shape, const LinformerOptions& o) : shape_(shape), options_(o) {
  require(o.qk_dim > 0 && o.rank > 0 && o.max_len > 0, "linformer", "qk_dim, rank and max_len must be positive, got ",
          o.qk_dim, ", ", o.rank, " and ", o.max_len);
  // Mixtures of max_len tokens are about as large as one.
  const nn::Init init = nn::Init::normal(1 / std::sqrt(static_cast<double>(o.max_len)));
  for (nn::Parameter* p : {&E_, &F_})
    *p = nn::Parameter({o.rank, o.max_len}, init, nn::Decay::kYes, nn::Operand::kGemm);
}

Traits Linformer::traits() const {
  return {.name = "linformer",
          .max_len = options_.max_len,
          .rank_below = options_.rank,
          .rank_above = options_.rank,
          .explicit_cost = "L^2 (r + P)",
          .fast_cost = "L r (E + P)"};
}

std::vector<Stream> Linformer::streams() const {
  const Shape per_token{shape_.H, options_.qk_dim};
  return {{"q", per_token, Route::kConv}, {"k", per_token, Route::kConv}};
}

void Linformer::visit(nn::Visitor& v) {
  v("E", E_);
  v("F", F_);
}

/// softmax(q (E k)^T / sqrt(qk_dim)) [n or 1, H, L, r].
Var Linformer::weights(const Streams& c, int64_t L) const {
  const Var keys = projected(columns(E_, L), c["k"]);
  const double scale = 1 / std::sqrt(static_cast<double>(options_.qk_dim));
  return softmax(matmul(permute(c["q"], {0, 2, 1, 3}), permute(keys, {0, 2, 3, 1}), {.scale = scale}));
}

Var Linformer::do_matrix(const Streams& c, int64_t L) const { return matmul(weights(c, L), columns(F_, L)); }

Var Linformer::product(const Streams& c, const Var& v) const {
  const Var values = permute(projected(columns(F_, v.dim(1)), v), {0, 2, 1, 3});
  return permute(matmul(weights(c, v.dim(1)), values), {0, 2, 1, 3});
}

Var Linformer::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  return by_runs(c, v, runs, [this](const Streams& cut, const Var& part) { return product(cut, part); });
}

}  // namespace matmix::mixers
