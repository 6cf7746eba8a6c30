#include "mixers/dense.h"

#include <cmath>

#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/matmul/matmul.h"

namespace matmix::mixers {

Dense::Dense(const BlockShape& shape, int64_t max_len)
    : max_len_(max_len),
      scale_(1 / std::sqrt(static_cast<double>(max_len))),
      M_({shape.H, max_len, max_len}, nn::Init::normal(1), nn::Decay::kYes, nn::Operand::kGemm) {
  require(max_len > 0, "dense", "max_len must be positive, got ", max_len);
}

Traits Dense::traits() const {
  return {
      .name = "dense", .sequence_aligned = true, .max_len = max_len_, .explicit_cost = "L^2 P", .fast_cost = "L^2 P"};
}

/// [H, L, L], without the scale.
Var Dense::corner(int64_t L) const {
  const Var& M = M_;
  return L == max_len_ ? M : narrow(narrow(M, 1, 0, L), 2, 0, L);
}

Var Dense::do_matrix(const Streams&, int64_t L) const { return unsqueeze(affine(corner(L), scale_), 0); }

Var Dense::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  return by_runs(c, v, runs, [this](const Streams&, const Var& part) {
    return permute(matmul(corner(part.dim(1)), permute(part, {0, 2, 1, 3}), {.scale = scale_}), {0, 2, 1, 3});
  });
}

}  // namespace matmix::mixers
