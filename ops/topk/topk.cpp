#include "ops/topk/topk.h"

#include "ops/gather/gather.h"
#include "ops/topk/topk_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {

TopK topk(const Var& x, int64_t k) {
  require(x.defined() && is_floating(x.dtype()) && x.rank() > 0, "topk", "x must be floating [..., n], got ", x);
  const int64_t n = x.dim(-1);
  require(k >= 0 && k <= n, "topk", "k must be in [0, ", n, "], got ", k, "; x is ", x);
  Shape shape = x.shape();
  shape[x.rank() - 1] = k;
  const Tensor indices = empty(shape, DType::I64, x.device());
  if (indices.numel() > 0) {
    const int64_t R = indices.numel() / k;
    kTopk(x.device(), contiguous(x.value()).reshape({R, n}), indices.reshape({R, k}));
  }
  return {gather(x, -1, indices), indices};
}

}  // namespace matmix
