#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace matmix {

/// Contiguous and uninitialised. With MATMIX_POISON=1 floating tensors start as NaN, so that an element nobody
/// wrote shows.
Tensor empty(const Shape& shape, DType dtype, Device device = kCpu);
Tensor zeros(const Shape& shape, DType dtype, Device device = kCpu);
Tensor full(const Shape& shape, double value, DType dtype, Device device = kCpu);
/// 0, 1, ..., n - 1.
Tensor arange(int64_t n, DType dtype, Device device = kCpu);
/// The n x n identity.
Tensor eye(int64_t n, DType dtype, Device device = kCpu);
/// Contiguous, of x's shape, dtype and device.
Tensor empty_like(const Tensor& x);
Tensor zeros_like(const Tensor& x);

/// The values, row-major, as a tensor of `shape` (default: [values.size()]); Error if the counts differ.
template <class T>
Tensor from_vector(const std::vector<T>& values, const Shape& shape, Device device = kCpu);
template <class T>
Tensor from_vector(const std::vector<T>& values) {
  return from_vector(values, Shape{static_cast<int64_t>(values.size())});
}

/// All elements become value, whatever the strides. Bumps the version.
void fill(const Tensor& x, double value);

}  // namespace matmix
