#pragma once

#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace matmix::cuda {

/// Four neighbours of a row, in the type that a thread computes with.
template <class T>
struct Four {
  T at[4];
  __device__ T& operator[](int i) { return at[i]; }
  __device__ const T& operator[](int i) const { return at[i]; }
};

/// Rows of any width and alignment that threads pass in fours: one instruction moves all four where `whole` and there
/// are four left, else they go one by one; those past the end are 0 and are not stored. Of an undefined tensor: null.
/// T: an element type, const for input.
template <class T>
struct Rows {
  using Value = std::remove_const_t<T>;
  using Wide = Four<Accumulator<Value>>;
  struct alignas(sizeof(T) < 4 ? 4 * sizeof(T) : 16) Packed {
    Value at[4];
  };

  T* data = nullptr;
  int64_t stride = 0, columns = 0;
  bool whole = false;

  /// x [rows, columns] with dense rows; one row [columns] is read by every index.
  explicit Rows(const Tensor& x) {
    if (x.defined()) *this = Rows(x.data<Value>(), x.rank() > 1 ? x.stride(0) : 0, x.dim(-1));
  }
  HOST_DEVICE Rows(T* first, int64_t elements_apart, int64_t width)
      : data(first),
        stride(elements_apart),
        columns(width),
        whole(reinterpret_cast<uintptr_t>(first) % alignof(Packed) == 0 && elements_apart % 4 == 0) {}

  __device__ explicit operator bool() const { return data != nullptr; }

  __device__ Wide load(int64_t row, int64_t column) const {
    const T* const p = data + row * stride + column;
    const int64_t left = columns - column;
    Wide x;
    if (whole && left >= 4) {
      const Packed packed = *reinterpret_cast<const Packed*>(p);
#pragma unroll
      for (int i = 0; i < 4; ++i) x[i] = static_cast<Accumulator<Value>>(packed.at[i]);
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) x[i] = i < left ? static_cast<Accumulator<Value>>(p[i]) : Accumulator<Value>(0);
    }
    return x;
  }

  __device__ void store(int64_t row, int64_t column, const Wide& x) const {
    T* const p = data + row * stride + column;
    const int64_t left = columns - column;
    if (whole && left >= 4) {
      Packed packed;
#pragma unroll
      for (int i = 0; i < 4; ++i) packed.at[i] = static_cast<Value>(x[i]);
      *reinterpret_cast<Packed*>(p) = packed;
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (i < left) p[i] = static_cast<Value>(x[i]);
    }
  }
};

}  // namespace matmix::cuda
