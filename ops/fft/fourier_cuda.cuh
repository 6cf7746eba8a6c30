#pragma once

#include "tensor/create.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/dtype.h"

// The complex Fourier transform of many columns at once, n a power of two: what the CUDA kernels of real transforms and
// of Toeplitz products are made of. Two real columns make a complex one.
namespace matmix::cuda {

template <class A>
struct Complex {
  A re, im;
};
template <class A>
__device__ Complex<A> operator+(const Complex<A>& a, const Complex<A>& b) {
  return {a.re + b.re, a.im + b.im};
}
template <class A>
__device__ Complex<A> operator-(const Complex<A>& a, const Complex<A>& b) {
  return {a.re - b.re, a.im - b.im};
}
template <class A>
__device__ Complex<A> operator*(const Complex<A>& a, const Complex<A>& b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class A>
__device__ Complex<A> conj(const Complex<A>& a) {
  return {a.re, -a.im};
}
/// e^{pi i x}.
__device__ inline Complex<float> turn(float x) {
  Complex<float> w;
  sincospif(x, &w.im, &w.re);
  return w;
}
__device__ inline Complex<double> turn(double x) {
  Complex<double> w;
  sincospi(x, &w.im, &w.re);
  return w;
}

/// Rows of complex columns, [n, 2, columns] contiguous.
template <class A>
struct ComplexRows {
  A* data;
  int64_t columns;

  explicit ComplexRows(const Tensor& z) : data(z.data<A>()), columns(z.dim(2)) {}
  __device__ Complex<A> load(int64_t row, int64_t column) const {
    const A* at = data + 2 * row * columns + column;
    return {at[0], at[columns]};
  }
  __device__ void store(int64_t row, int64_t column, const Complex<A>& z) const {
    A* at = data + 2 * row * columns + column;
    at[0] = z.re;
    at[columns] = z.im;
  }
};

constexpr int kEntryThreads = 256;

/// Calls f(row, column) for every entry of `rows` x `columns`, neighbours along the columns, a thread each.
/// Use: each_entry_kernel<<<entry_blocks(rows, columns), kEntryThreads, 0, stream()>>>(rows, columns, f);
template <class F>
__global__ void each_entry_kernel(int64_t rows, int64_t columns, F f) {
  const int64_t index = int64_t{blockIdx.x} * kEntryThreads + threadIdx.x;
  if (index < rows * columns) f(index / columns, index % columns);
}
inline unsigned entry_blocks(int64_t rows, int64_t columns) { return blocks(rows * columns, kEntryThreads); }

/// Z_k = sum_j z_j e^{sign 2 pi i jk / n} of every column of z [n, 2, columns] (F64 or F32), n a power of two. The
/// result may lie in z's own memory, which is overwritten.
Tensor fourier(Tensor z, int sign);

}  // namespace matmix::cuda
