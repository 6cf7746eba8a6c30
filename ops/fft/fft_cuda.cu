#include "ops/fft/fft_kernels.h"
#include "ops/fft/fourier_cuda.cuh"

namespace matmix::cuda {
namespace {

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
    if (rows_ == n_) return fourier<A>(z, -1);
    const Tensor filter = empty({rows_, 2, 1}, z.dtype(), z.device());
    const ComplexRows<A> f(filter);
    const Chirp<A> w = chirp();
    const int64_t n = n_, rows = rows_;
    for_each_entry(rows, 1, [=] __device__(int64_t k, int64_t) {
      const int64_t t = k < n ? k : rows - k;
      f.store(k, 0, t < n ? conj(w.at(t)) : Complex<A>{A(0), A(0)});
    });
    const Tensor spectrum = fourier<A>(filter, -1), product = fourier<A>(z, -1);
    const ComplexRows<A> by(spectrum), all(product);
    const A scale = A(1) / static_cast<A>(rows);
    for_each_entry(rows, z.dim(2), [=] __device__(int64_t k, int64_t q) {
      const Complex<A> one = by.load(k, 0);
      all.store(k, q, Complex<A>{scale * one.re, scale * one.im} * all.load(k, q));
    });
    return fourier<A>(product, 1);
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
  for_each_entry(any.rows(), Q, [=] __device__(int64_t j, int64_t q) {
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
  for_each_entry(n / 2 + 1, Q, [=] __device__(int64_t k, int64_t q) {
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
  for_each_entry(any.rows(), Q, [=] __device__(int64_t j, int64_t q) {
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
  for_each_entry(x.dim(1), Q, [=] __device__(int64_t i, int64_t q) {
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
  for_each_entry(y.dim(1), Q, [=] __device__(int64_t i, int64_t q) {
    const int64_t k = i % n, mirror = (n - k) % n;
    const Complex<A> sum = chirp.at(k) * from.load(k, q) + chirp.at(mirror) * from.load(mirror, q);
    to.store(i, q, sum.re / 2);
    to.store(i, q + Q, sum.im / 2);
  });
}

}  // namespace

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
