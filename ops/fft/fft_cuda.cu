#include <bit>
#include <utility>

#include "ops/fft/fft_kernels.h"
#include "ops/fft/fourier_cuda.cuh"

namespace matmix::cuda {
namespace {

constexpr int kFourierBits = 8;  ///< of the longest transform that one block does
constexpr int kFourierThreads = 256;

// One pass of a transform, radix R = 2^bits: after it, parts of l R rows are transformed.   Stockham's order: sorted
// in, sorted out;  out[(j R + p) l + k] = sum_q e^{s 2 pi i (q k / (l R) + p q / R)} in[q n / R + j l + k]
// Owns:    block = one (j, k) and 64 bytes of columns; a thread R / workers rows of one column.
// Tiles:   R rows of the columns in shared memory (32 KB at R = 256), and R / 2 turns.
// Traffic: reads and writes every row once, in segments of 64 bytes: n = 65536 takes two passes. 5 log2 R flops a row.
// Syncs:   after the load, and after each of the log2 R steps.
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

template <class A>
Tensor all_passes(Tensor z, int sign) {
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

/// The columns of matrices [A, rows, C], any strides.
template <class T>
struct Columns {
  T* data;
  int64_t C, count, matrix, row, next;

  explicit Columns(const Tensor& x)
      : data(x.data<T>()), C(x.dim(2)), count(x.dim(0) * C), matrix(x.stride(0)), row(x.stride(1)), next(x.stride(2)) {}
  /// Those that are real parts; the others follow as imaginary ones.
  int64_t pairs() const { return (count + 1) / 2; }
  __device__ T* at(int64_t i, int64_t column) const { return data + column / C * matrix + i * row + column % C * next; }
  __device__ Accumulator<T> load(int64_t i, int64_t column) const {
    return column < count ? static_cast<Accumulator<T>>(*at(i, column)) : Accumulator<T>(0);
  }
  __device__ void store(int64_t i, int64_t column, Accumulator<T> x) const {
    if (column < count) *at(i, column) = static_cast<T>(x);
  }
};

/// e^{-pi i k^2 / n}, k < n, or all ones: factors of a transform's rows before and after it.
template <class A>
struct Chirp {
  int64_t n;
  bool present;

  __device__ Complex<A> at(int64_t k) const {
    if (!present) return {A(1), A(0)};
    const Complex<double> w = turn(-static_cast<double>(k * k % (2 * n)) / static_cast<double>(n));
    return {static_cast<A>(w.re), static_cast<A>(w.im)};
  }
};

/// A transform of any length by one of a power of two: itself, or Bluestein's convolution.
template <class A>
class AnyLength {
 public:
  explicit AnyLength(int64_t n)
      : n_(n),
        rows_(std::has_single_bit(static_cast<uint64_t>(n))
                  ? n
                  : static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(2 * n - 1)))) {}

  int64_t rows() const { return rows_; }
  Chirp<A> chirp() const { return {n_, rows_ != n_}; }

  /// z [rows(), 2, columns] whose first n rows are x times the chirp and the others 0, to rows that are X times 1 /
  /// chirp.
  Tensor forward(const Tensor& z) const {
    if (rows_ == n_) return fourier(z, -1);
    const Tensor filter = empty({rows_, 2, 1}, z.dtype(), z.device());
    const ComplexRows<A> f(filter);
    const Chirp<A> w = chirp();
    const int64_t n = n_, rows = rows_;
    each_entry_kernel<<<entry_blocks(rows, 1), kEntryThreads, 0, stream()>>>(
        rows, 1, [=] __device__(int64_t k, int64_t) {
          const int64_t t = k < n ? k : rows - k;
          f.store(k, 0, t < n ? conj(w.at(t)) : Complex<A>{A(0), A(0)});
        });
    const Tensor spectrum = fourier(filter, -1), product = fourier(z, -1);
    const ComplexRows<A> by(spectrum), all(product);
    const A scale = A(1) / static_cast<A>(rows);
    each_entry_kernel<<<entry_blocks(rows, z.dim(2)), kEntryThreads, 0, stream()>>>(
        rows, z.dim(2), [=] __device__(int64_t k, int64_t q) {
          const Complex<A> one = by.load(k, 0);
          all.store(k, q, Complex<A>{scale * one.re, scale * one.im} * all.load(k, q));
        });
    return fourier(product, 1);
  }

 private:
  int64_t n_, rows_;
};

/// The transform of pairs of x's columns, n rows; behind it rows of AnyLength's that are still to meet the chirp.
template <class T>
Tensor transformed(const Tensor& x, int64_t n) {
  using A = Accumulator<T>;
  const AnyLength<A> any(n);
  const Columns<T> in(x);
  const int64_t L = x.dim(1), Q = in.pairs();
  const Tensor z = empty({any.rows(), 2, Q}, dtype_of<A>(), x.device());
  const ComplexRows<A> to(z);
  const Chirp<A> w = any.chirp();
  each_entry_kernel<<<entry_blocks(any.rows(), Q), kEntryThreads, 0, stream()>>>(
      any.rows(), Q, [=] __device__(int64_t j, int64_t q) {
        Complex<A> sum{A(0), A(0)};
        if (j < n) {
          for (int64_t i = j; i < L; i += n) sum = sum + Complex<A>{in.load(i, q), in.load(i, q + Q)};
          sum = w.at(j) * sum;
        }
        to.store(j, q, sum);
      });
  return any.forward(z);
}

template <class T>
void analyse(const Tensor& x, int64_t n, SpectrumWeights w, const Tensor& X) {
  using A = Accumulator<T>;
  const Tensor z = transformed<T>(x, n);
  const ComplexRows<A> from(z);
  const Chirp<A> chirp = AnyLength<A>(n).chirp();
  const Columns<A> to(X.reshape({X.dim(0), 2 * X.dim(1), X.dim(3)}));
  const int64_t Q = to.pairs();
  each_entry_kernel<<<entry_blocks(n / 2 + 1, Q), kEntryThreads, 0, stream()>>>(
      n / 2 + 1, Q, [=] __device__(int64_t k, int64_t q) {
        // z = a + i b, so Z_k = A_k + i B_k, and Z_{n-k} = conj(A_k) + i conj(B_k).
        const int64_t mirror = (n - k) % n;
        const Complex<A> p = chirp.at(k) * from.load(k, q), r = chirp.at(mirror) * from.load(mirror, q);
        const A half = static_cast<A>(w.at(k, n) / 2);
        to.store(2 * k, q, half * (p.re + r.re));
        to.store(2 * k + 1, q, half * (p.im - r.im));
        to.store(2 * k, q + Q, half * (p.im + r.im));
        to.store(2 * k + 1, q + Q, half * (r.re - p.re));
      });
}

template <class T>
void synthesise(const Tensor& X, int64_t n, SpectrumWeights w, const Tensor& x) {
  using A = Accumulator<T>;
  const AnyLength<A> any(n);
  const Chirp<A> chirp = any.chirp();
  const Columns<A> in(X.reshape({X.dim(0), 2 * X.dim(1), X.dim(3)}));
  const Columns<T> out(x);
  const int64_t Q = in.pairs();
  const Tensor z = empty({any.rows(), 2, Q}, dtype_of<A>(), x.device());
  const ComplexRows<A> to(z);
  // An inverse transform is a forward one of, and to, exchanged parts.
  each_entry_kernel<<<entry_blocks(any.rows(), Q), kEntryThreads, 0, stream()>>>(
      any.rows(), Q, [=] __device__(int64_t j, int64_t q) {
        Complex<A> sum{A(0), A(0)};
        if (j < n) {
          const int64_t k = 2 * j <= n ? j : n - j;
          const bool edge = k == 0 || 2 * k == n;
          const A half = static_cast<A>(edge ? w.edge : w.inner / 2), side = edge ? A(0) : k == j ? half : -half;
          sum = {half * in.load(2 * k, q + Q), half * in.load(2 * k, q)};
          if (!edge) sum = sum + Complex<A>{side * in.load(2 * k + 1, q), -side * in.load(2 * k + 1, q + Q)};
          sum = chirp.at(j) * sum;
        }
        to.store(j, q, sum);
      });
  const Tensor y = any.forward(z);
  const ComplexRows<A> from(y);
  each_entry_kernel<<<entry_blocks(x.dim(1), Q), kEntryThreads, 0, stream()>>>(
      x.dim(1), Q, [=] __device__(int64_t i, int64_t q) {
        const Complex<A> sum = chirp.at(i % n) * from.load(i % n, q);
        out.store(i, q, sum.im);
        out.store(i, q + Q, sum.re);
      });
}

template <class T>
void cosines(const Tensor& x, int64_t n, const Tensor& y) {
  using A = Accumulator<T>;
  const Tensor z = transformed<T>(x, n);
  const ComplexRows<A> from(z);
  const Chirp<A> chirp = AnyLength<A>(n).chirp();
  const Columns<T> to(y);
  const int64_t Q = to.pairs();
  each_entry_kernel<<<entry_blocks(y.dim(1), Q), kEntryThreads, 0, stream()>>>(
      y.dim(1), Q, [=] __device__(int64_t i, int64_t q) {
        const int64_t k = i % n, mirror = (n - k) % n;
        const Complex<A> sum = chirp.at(k) * from.load(k, q) + chirp.at(mirror) * from.load(mirror, q);
        to.store(i, q, sum.re / 2);
        to.store(i, q + Q, sum.im / 2);
      });
}

}  // namespace

Tensor fourier(Tensor z, int sign) {
  return z.dtype() == DType::F64 ? all_passes<double>(std::move(z), sign) : all_passes<float>(std::move(z), sign);
}

void rfft(const Tensor& x, int64_t n, SpectrumWeights w, const Tensor& X) {
  dispatch_float(x.dtype(), "rfft", [&]<class T>() { analyse<T>(x, n, w, X); });
}

void irfft(const Tensor& X, int64_t n, SpectrumWeights w, const Tensor& x) {
  dispatch_float(x.dtype(), "irfft", [&]<class T>() { synthesise<T>(X, n, w, x); });
}

void cosine_transform(const Tensor& x, int64_t n, const Tensor& y) {
  dispatch_float(x.dtype(), "cosine_transform", [&]<class T>() { cosines<T>(x, n, y); });
}

}  // namespace matmix::cuda
