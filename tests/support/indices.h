#pragma once

#include <functional>
#include <vector>

#include "tensor/tensor.h"

namespace matmix::testing {

/// Calls f(index) for every index of shape, row-major.
inline void for_each_index(const Shape& shape, const std::function<void(const Shape&)>& f) {
  Shape index = shape;
  const int64_t n = shape.numel();
  for (int64_t flat = 0; flat < n; ++flat) {
    int64_t rest = flat;
    for (int axis = shape.rank() - 1; axis >= 0; rest /= shape[axis], --axis) index[axis] = rest % shape[axis];
    f(index);
  }
}

/// The element of a CPU tensor at an index, by the definition of strides.
template <class T>
T& element(const Tensor& x, const Shape& index) {
  int64_t offset = 0;
  for (int axis = 0; axis < x.rank(); ++axis) offset += index[axis] * x.stride(axis);
  return x.data<T>()[offset];
}

}  // namespace matmix::testing
