#include <numbers>

#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "ops/vandermonde/vandermonde.h"
#include "ops/vandermonde/vandermonde_check.h"
#include "tensor/create.h"

namespace matmix {
namespace {

/// N_ij = sum_d cos(2 pi eps x_id j), [n, H, L, L]; less E if `lifted`.
Var cosines(const Var& x, double eps, bool lifted) {
  const int64_t L = x.dim(1), E = x.dim(3);
  const Var rows = affine(permute(x, {0, 2, 1, 3}), std::numbers::pi * eps);  // half the angle of token 1
  const Var places = arange(L, x.dtype(), x.device());
  Var N = zeros({1, x.dim(2), L, L}, x.dtype(), x.device());
  for (int64_t d = 0; d < E; ++d) {
    const Var angle = narrow(rows, 3, d, 1) * places;
    N = N + (lifted ? affine(square(sin(angle)), -2) : cos(affine(angle, 2)));
  }
  return N;
}

}  // namespace

Var vandermonde_matrix(const Var& q, const Var& k, const VandermondeOptions& options) {
  check_vandermonde(q, k, options);
  const DType dtype = accumulator(q.dtype());
  const bool lifted = options.sign == -1;
  const Var rows = cosines(cast(q, dtype), options.eps, lifted), columns = cosines(cast(k, dtype), options.eps, lifted);
  return cast(affine(rows + affine(transpose(columns, 2, 3), options.sign), options.scale), q.dtype());
}

}  // namespace matmix
