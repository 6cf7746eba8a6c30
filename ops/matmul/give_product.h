#pragma once

#include <functional>

#include "autograd/node.h"
#include "tensor/tensor.h"

namespace matmix {

/// The gradient of input `input`, which somebody needs, is alpha a b: multiplied straight into the place where it
/// belongs (added to a parameter's gradient), through a temporary only where gemm cannot write there. `as_product`
/// views a tensor of the input's shape as a b [..., M, N]; where that view does not exist it may return an undefined
/// Tensor.
void give_product(const Backward& backward, int input, const Tensor& a, const Tensor& b, double alpha,
                  const std::function<Tensor(const Tensor&)>& as_product);

}  // namespace matmix
