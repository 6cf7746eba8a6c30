#pragma once

#include <array>

#include "tensor/tensor.h"

namespace matmix {

/// a / b for positive numbers; a GPU divides 64-bit numbers many times slower than 32-bit ones.
HOST_DEVICE inline int64_t divide(int64_t a, int64_t b) {
  return (a | b) >> 32 ? a / b : static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
}

/// N tensors of one shape, walked together in row-major order with as few axes as describe them all (at least one).
template <size_t N>
struct Strided {
  Shape shape;
  std::array<Shape, N> strides;

  HOST_DEVICE int last() const { return shape.rank() - 1; }
  /// Distances from the first elements to those of row `row` (all axes but the last, row-major).
  HOST_DEVICE std::array<int64_t, N> offsets(int64_t row) const {
    std::array<int64_t, N> at{};
    for (int axis = last() - 1; axis >= 0; --axis) {
      const int64_t rest = axis > 0 ? divide(row, shape[axis]) : 0, i = row - rest * shape[axis];
      for (size_t k = 0; k < N; ++k) at[k] += i * strides[k][axis];
      row = rest;
    }
    return at;
  }
};

/// Drops axes of size 1 and merges neighbours that every tensor passes in one step.
template <size_t N>
Strided<N> collapse(const Shape& shape, const std::array<Shape, N>& strides) {
  Strided<N> out;
  const auto merges = [&](int axis) {
    const int last = out.last();
    for (size_t k = 0; k < N; ++k)
      if (last < 0 || out.strides[k][last] != shape[axis] * strides[k][axis]) return false;
    return true;
  };
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) continue;
    if (merges(axis)) {
      out.shape[out.last()] *= shape[axis];
      for (size_t k = 0; k < N; ++k) out.strides[k][out.last()] = strides[k][axis];
    } else {
      out.shape.push_back(shape[axis]);
      for (size_t k = 0; k < N; ++k) out.strides[k].push_back(strides[k][axis]);
    }
  }
  if (out.shape.rank() == 0) {
    out.shape.push_back(1);
    for (size_t k = 0; k < N; ++k) out.strides[k].push_back(1);
  }
  return out;
}

}  // namespace matmix
