#pragma once

namespace matmix::cuda::ssd {

/// One number of A, B, C or a state: complex, or real with nothing beside it.
template <class A, bool kComplex>
struct Number {
  A re = 0, im = 0;

  /// Number m of a row that holds `count` real parts, and then the imaginary parts.
  template <class T>
  __device__ static Number load(const T* row, int64_t m, int64_t count) {
    if constexpr (kComplex) return {static_cast<A>(row[m]), static_cast<A>(row[count + m])};
    return {static_cast<A>(row[m])};
  }
  template <class T>
  __device__ void store(T* row, int64_t m, int64_t count) const {
    row[m] = static_cast<T>(re);
    if constexpr (kComplex) row[count + m] = static_cast<T>(im);
  }

  __device__ Number operator+(const Number& y) const { return {re + y.re, im + y.im}; }
  __device__ Number& operator+=(const Number& y) { return *this = *this + y; }
  __device__ Number operator*(const Number& y) const {
    if constexpr (kComplex) return {re * y.re - im * y.im, re * y.im + im * y.re};
    return {re * y.re};
  }
  __device__ Number operator*(A factor) const { return {re * factor, im * factor}; }
  __device__ Number conj() const { return {re, -im}; }
};

/// Re conj(a) b.
template <class A, bool kComplex>
__device__ A dot(const Number<A, kComplex>& a, const Number<A, kComplex>& b) {
  return kComplex ? a.re * b.re + a.im * b.im : a.re * b.re;
}

}  // namespace matmix::cuda::ssd
