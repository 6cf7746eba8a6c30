#include "mixers/dft.h"

#include <cmath>
#include <numbers>

#include "ops/elementwise/elementwise.h"
#include "ops/fft/fft.h"
#include "ops/layout/layout.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::mixers {

Dft::Dft(const BlockShape& shape, int64_t max_len)
    : shape_(shape), max_len_(max_len), scale_(1 / std::sqrt(static_cast<double>(max_len))) {
  require(max_len > 0, "dft", "max_len must be positive, got ", max_len);
}

Traits Dft::traits() const {
  return {.name = "dft",
          .sequence_aligned = true,
          .by_transforms = true,
          .explicit_cost = "L^2 P",
          .fast_cost = "n log n P"};
}

Var Dft::do_matrix(const Streams& c, int64_t L) const {
  std::vector<double> m;
  for (int64_t i = 0; i < L; ++i)
    for (int64_t j = 0; j < L; ++j) {
      const double turns = static_cast<double>(i * j % max_len_) / static_cast<double>(max_len_);
      m.push_back(scale_ * std::cos(2 * std::numbers::pi * turns));
    }
  const Tensor M = to(cast(from_vector(m, {1, 1, L, L}), c.dtype()), c.device());
  return expand(M, {1, shape_.H, L, L});
}

Var Dft::do_mix(const Streams& c, const Var& v, const Runs& runs) const {
  return by_runs(c, v, runs, [this](const Streams&, const Var& part) {
    return affine(cosine_transform(part, 1, max_len_), scale_);
  });
}

}  // namespace matmix::mixers
