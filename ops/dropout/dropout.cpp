#include "ops/dropout/dropout.h"

#include "autograd/node.h"
#include "ops/dropout/dropout_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

Tensor masked(const Tensor& x, double p, const RandomKey& key, const Tensor& step) {
  const Tensor y = empty_like(x);
  kDropout(x.device(), contiguous(x), p, key, step, y);
  return y;
}

}  // namespace

Var dropout(const Var& x, double p, uint64_t seed, uint64_t stream, const Tensor& step) {
  require(x.defined() && is_floating(x.dtype()), "dropout", "x must be a floating tensor, got ", x);
  require(p >= 0 && p < 1, "dropout", "p must be in [0, 1), got ", p);
  if (p == 0) return x;
  require(step.defined() && step.dtype() == DType::I64 && step.shape() == Shape{1} && step.device() == x.device(),
          "dropout", "step must be I64 [1] on x's device, got ", step, "; x is ", x);
  const RandomKey key{.seed = seed, .stream = stream};
  return record("dropout", {x}, masked(x.value(), p, key, step),
                [=, step = Saved(step, "step")](Backward& b) { b.give(0, masked(b.dy(), p, key, step)); });
}

}  // namespace matmix
