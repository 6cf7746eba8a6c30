#include "ops/cauchy/cauchy.h"
#include "ops/cauchy/cauchy_check.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layout/layout.h"
#include "tensor/create.h"

namespace matmix {

Var cauchy_matrix(const Var& q, const Var& k, const Var& bias, const CauchyOptions& options) {
  check_cauchy(q, k, bias, options);
  const auto [a, b] = cauchy_poles(q, k, bias, options);
  const Var rows = permute(a, {0, 2, 1, 3}), columns = permute(b, {0, 2, 3, 1});  // [n, H, L, E], [n, H, E, L]
  Var M = zeros({1, a.dim(2), a.dim(1), a.dim(1)}, a.dtype(), a.device());
  for (int64_t d = 0; d < a.dim(3); ++d) M = M + reciprocal(narrow(rows, 3, d, 1) + narrow(columns, 2, d, 1));
  return cast(affine(M, options.scale), q.dtype());
}

}  // namespace matmix
