#include "ops/matmul/give_product.h"

#include "ops/matmul/gemm.h"
#include "tensor/create.h"

namespace matmix {

void give_product(const Backward& backward, int input, const Tensor& a, const Tensor& b, double alpha,
                  const std::function<Tensor(const Tensor&)>& as_product) {
  if (const auto sum = backward.sum(input)) {
    const Tensor view = as_product(*sum);
    if (view.defined() && gemm_writes(a.dtype(), view)) return gemm(a, b, view, alpha, 1);
  }
  Tensor dx = backward.target(input);
  Tensor view = as_product(dx);
  if (!view.defined() || !gemm_writes(a.dtype(), view)) {
    dx = empty(dx.shape(), a.dtype(), a.device());
    view = as_product(dx);
  }
  gemm(a, b, view, alpha);
  backward.give(input, dx);
}

}  // namespace matmix
