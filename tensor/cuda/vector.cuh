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

/// Four neighbours in one row as a thread computes with them. Rows of any width and alignment: one instruction moves
/// all four where `whole` (below) and there are four, else they go one by one, and those past the end are 0 and not
/// stored.
template <class T>
struct Four {
  T at[4];
  __device__ T& operator[](int i) { return at[i]; }
  __device__ const T& operator[](int i) const { return at[i]; }
};

namespace detail {
template <class T>
struct alignas(sizeof(T) < 4 ? 4 * sizeof(T) : 16) Packed {
  T at[4];
};
}  // namespace detail

/// p[0..4), which exist and may be moved whole.
template <class T>
__device__ Four<Accumulator<T>> load4(const T* p) {
  const auto packed = *reinterpret_cast<const detail::Packed<T>*>(p);
  Four<Accumulator<T>> x;
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] = static_cast<Accumulator<T>>(packed.at[i]);
  return x;
}
/// p[0..4) of which `left` exist.
template <class T>
__device__ Four<Accumulator<T>> load4(const T* p, int64_t left, bool whole) {
  if (whole && left >= 4) return load4(p);
  Four<Accumulator<T>> x;
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] = i < left ? static_cast<Accumulator<T>>(p[i]) : Accumulator<T>(0);
  return x;
}
template <class T>
__device__ void store4(T* p, const Four<Accumulator<T>>& x, int64_t left, bool whole) {
  if (whole && left >= 4) {
    detail::Packed<T> packed;
#pragma unroll
    for (int i = 0; i < 4; ++i) packed.at[i] = static_cast<T>(x[i]);
    *reinterpret_cast<detail::Packed<T>*>(p) = packed;
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (i < left) p[i] = static_cast<T>(x[i]);
  }
}

/// True if fours at columns 0, 4, 8, ... of rows that start at p, `stride` elements apart, may be moved whole.
template <class T>
HOST_DEVICE bool moves_whole_fours(const T* p, int64_t stride) {
  return reinterpret_cast<uintptr_t>(p) % alignof(detail::Packed<T>) == 0 && stride % 4 == 0;
}

}  // namespace matmix::cuda
