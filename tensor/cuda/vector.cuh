#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace matmix::cuda {

/// 16 bytes of elements, moved by one instruction: 2 double, 4 float, 8 bfloat16.
template <class T>
struct alignas(16) Vec {
  static constexpr int kWidth = 16 / sizeof(T);
  T at[kWidth];

  __device__ T& operator[](int i) { return at[i]; }
  __device__ const T& operator[](int i) const { return at[i]; }
};

/// Elements [0, Vec<T>::kWidth) at p, which must be 16-byte aligned.
template <class T>
__device__ Vec<T> load16(const T* p) {
  return std::bit_cast<Vec<T>>(*reinterpret_cast<const uint4*>(p));
}
template <class T>
__device__ void store16(T* p, const Vec<T>& x) {
  *reinterpret_cast<uint4*>(p) = std::bit_cast<uint4>(x);
}

/// True if rows of `width` elements that start at p, `stride` elements apart, may be moved as whole Vecs.
template <class T>
bool fits_vec(const T* p, int64_t width, int64_t stride) {
  return reinterpret_cast<uintptr_t>(p) % 16 == 0 && width % Vec<T>::kWidth == 0 && stride % Vec<T>::kWidth == 0;
}

}  // namespace matmix::cuda
