#pragma once

#include <algorithm>
#include <bit>
#include <utility>

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

/// Calls f(row, column) for every entry of `rows` x `columns`, neighbours along the columns, a thread each.
template <class F>
__global__ void each_entry_kernel(int64_t rows, int64_t columns, F f) {
  const int64_t index = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (index < rows * columns) f(index / columns, index % columns);
}
template <class F>
void for_each_entry(int64_t rows, int64_t columns, F f) {
  constexpr int kThreads = 256;
  each_entry_kernel<<<blocks(rows * columns, kThreads), kThreads, 0, stream()>>>(rows, columns, f);
}

inline constexpr int kFourierBits = 8;  ///< of the longest transform that one block does
inline constexpr int kFourierThreads = 256;

// One pass of a transform, radix R = 2^bits: after it, parts of l R rows are transformed.   Stockham's order: sorted
// in, sorted out;  out[(j R + p) l + k] = sum_q e^{s 2 pi i (q k / (l R) + p q / R)} in[q n / R + j l + k] Owns: block
// = one (j, k) and 64 bytes of columns; a thread R / workers rows of one column. Tiles:   R rows of the columns in
// shared memory (32 KB at R = 256), and R / 2 turns. Traffic: reads and writes every row once, in segments of 64 bytes:
// n = 65536 takes two passes. 5 log2 R flops a row. Syncs:   after the load, and after each of the log2 R steps.
// Numerics: in A; angles are exact multiples of pi / n.   Source: Stockham 1966; van Loan 1992, section 1.7.
template <class A>
__global__ void fourier_pass_kernel(ComplexRows<A> in, ComplexRows<A> out, int64_t n, int64_t l, int bits, A sign) {
  constexpr int kColumns = 64 / sizeof(A), kWorkers = kFourierThreads / kColumns, kMost = 1 << kFourierBits;
  __shared__ Complex<A> z[kMost][kColumns];
  __shared__ Complex<A> turns[kMost / 2];
  const int R = 1 << bits, lane = threadIdx.x % kColumns, worker = threadIdx.x / kColumns;
  const int64_t parts = n >> bits, unit = blockIdx.x % parts, column = blockIdx.x / parts * kColumns + lane;
  const int64_t k = unit % l, j = unit / l;
  const bool present = column < in.columns;
  for (int i = threadIdx.x; i < R / 2; i += kFourierThreads)
    turns[i] = turn(sign * static_cast<A>(2 * i) / static_cast<A>(R));
  for (int q = worker; q < R; q += kWorkers) {
    Complex<A> x{A(0), A(0)};
    if (present)
      x = turn(sign * static_cast<A>(2 * q * k) / static_cast<A>(l << bits)) * in.load(q * parts + unit, column);
    z[__brev(static_cast<unsigned>(q)) >> (32 - bits)][lane] = x;
  }
  __syncthreads();
  for (int half = 1; half < R; half *= 2) {
    for (int i = worker; i < R / 2; i += kWorkers) {
      const int k0 = i % half, at = 2 * (i - k0) + k0;
      const Complex<A> a = z[at][lane], b = turns[k0 * (R / 2 / half)] * z[at + half][lane];
      z[at][lane] = a + b;
      z[at + half][lane] = a - b;
    }
    __syncthreads();
  }
  if (!present) return;
  for (int p = worker; p < R; p += kWorkers) out.store((j * R + p) * l + k, column, z[p][lane]);
}

/// Z_k = sum_j z_j e^{sign 2 pi i jk / n} of every column of z [n, 2, columns], n a power of two. The result may be in
/// z's own memory, which is overwritten.
template <class A>
Tensor fourier(Tensor z, int sign) {
  const int64_t n = z.dim(0), columns = z.dim(2);
  constexpr int64_t kColumns = 64 / sizeof(A);
  const int bits = std::countr_zero(static_cast<uint64_t>(n)), passes = (bits + kFourierBits - 1) / kFourierBits;
  if (passes == 0 || columns == 0) return z;
  Tensor other = empty(z.shape(), z.dtype(), z.device());
  for (int pass = 0, done = 0; pass < passes; ++pass) {
    const int step = (bits - done + passes - pass - 1) / (passes - pass);
    const int64_t units = (n >> step) * ((columns + kColumns - 1) / kColumns);
    fourier_pass_kernel<A><<<blocks(units, 1), kFourierThreads, 0, stream()>>>(
        ComplexRows<A>(z), ComplexRows<A>(other), n, int64_t{1} << done, step, static_cast<A>(sign));
    std::swap(z, other);
    done += step;
  }
  return z;
}

}  // namespace matmix::cuda
