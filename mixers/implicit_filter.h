#pragma once

#include "mixers/coefficients.h"
#include "nn/layers.h"

namespace matmix::mixers {

struct ImplicitFilterOptions {
  int64_t width = 32;       ///< of the hidden layers
  int64_t bands = 8;        ///< frequencies that a position is seen through
  int64_t scale_len = 512;  ///< the slowest of them turns once in so many tokens
};

/// A filter as a small network of its position t, of any length:
///   h = sin(W2 sin(W1 [t / s, cos(2 pi k t / s), sin(2 pi k t / s)]_{k <= bands} + b1) + b2),   s = scale_len
///   f_t = exp(-e^rate t / s) W3 h,   a learned rate of decay for each channel.
/// What a position gets does not depend on how many there are.
/// Source: Poli et al. 2023 (arXiv 2302.10866), section 3.3; sines as in Romero et al. 2021 (CKConv, arXiv 2102.02611).
class ImplicitFilter final : public Generator {
 public:
  ImplicitFilter(const Shape& per_token, const ImplicitFilterOptions& options);
  Var forward(int64_t L) const override;
  void visit(nn::Visitor& v) override;

 private:
  Shape per_token_;
  ImplicitFilterOptions options_;
  nn::Linear in_, hidden_, out_;
  nn::Parameter rate_;
};

/// Streams of a mixer from such filters.
Generated implicit_filters(const ImplicitFilterOptions& options);

}  // namespace matmix::mixers
