#pragma once

#include "tensor/cuda/vector.cuh"
#include "tensor/tensor.h"

namespace matmix::cuda {

/// Rows that threads pass in fours (load4, store4). T: an element type, const for input. Of an undefined tensor: null.
template <class T>
struct Rows {
  using Value = std::remove_const_t<T>;
  using Wide = Four<Accumulator<Value>>;

  T* data = nullptr;
  int64_t stride = 0, columns = 0;
  bool whole = false;

  /// x [rows, columns] with dense rows; one row [columns] is read by every index.
  explicit Rows(const Tensor& x) {
    if (x.defined()) *this = Rows(x.data<Value>(), x.rank() > 1 ? x.stride(0) : 0, x.dim(-1));
  }
  HOST_DEVICE Rows(T* first, int64_t elements_apart, int64_t width)
      : data(first), stride(elements_apart), columns(width), whole(moves_whole_fours(first, elements_apart)) {}

  __device__ explicit operator bool() const { return data != nullptr; }

  /// Columns [column, column + 4) of a row; 0 past the end.
  __device__ Wide load(int64_t row, int64_t column) const {
    return load4<Value>(data + row * stride + column, columns - column, whole);
  }
  /// All four columns exist and may be moved whole, in every row: then load_whole() is one instruction, and several
  /// wait for memory together.
  __device__ bool has_whole(int64_t column) const { return whole && column + 4 <= columns; }
  __device__ Wide load_whole(int64_t row, int64_t column) const { return load4<Value>(data + row * stride + column); }
  __device__ void store(int64_t row, int64_t column, const Wide& x) const {
    store4<Value>(data + row * stride + column, x, columns - column, whole);
  }
};

}  // namespace matmix::cuda
