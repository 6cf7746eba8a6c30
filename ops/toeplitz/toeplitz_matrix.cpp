#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "ops/layout/layout.h"
#include "ops/toeplitz/toeplitz.h"
#include "ops/toeplitz/toeplitz_check.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {

Var toeplitz_matrix(const Var& taps, double scale) {
  check_toeplitz_taps(taps);
  const int64_t B = taps.dim(0), L = (taps.dim(1) + 1) / 2, H = taps.dim(2);
  std::vector<int64_t> lag;
  for (int64_t i = 0; i < L; ++i)
    for (int64_t j = 0; j < L; ++j) lag.push_back(L - 1 + i - j);
  const Var table = reshape(contiguous(permute(taps, {1, 0, 2})), {2 * L - 1, B * H});
  const Var M = embedding(table, to(from_vector(lag, {L, L}), taps.device()));  // [L, L, B H]
  return affine(permute(reshape(M, {L, L, B, H}), {2, 3, 0, 1}), scale);
}

}  // namespace matmix
