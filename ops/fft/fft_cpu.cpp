#include "ops/fft/fft_kernels.h"
#include "ops/fft/fourier_cpu.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

/// The columns of a batch of matrices, two to a lane.
template <class A>
class Pairs {
 public:
  explicit Pairs(const Tensor& x) : C_(x.dim(2)), columns_(x.dim(0) * C_) {}

  int64_t tiles() const { return (columns_ + kWidth - 1) / kWidth; }
  /// Of tile `index`, the columns that are real parts (part 0) or imaginary ones, in a tensor [A, rows, C].
  template <class T>
  LaneColumns<T> part(const Tensor& x, int64_t index, int part) const {
    const int64_t first = index * kWidth + part * Lanes<A>::kCount;
    return LaneColumns<T>(x.data<T>(), x.stride(1), [&](int64_t l) {
      const int64_t column = first + l;
      return column < columns_ ? column / C_ * x.stride(0) + column % C_ * x.stride(2) : -1;
    });
  }

 private:
  static constexpr int64_t kWidth = 2 * Lanes<A>::kCount;
  int64_t C_, columns_;
};

/// f(rows of a tile, its index) for all tiles of transforms.
template <class A, class F>
void for_tiles(const Pairs<A>& pairs, const AnyLength<A>& fourier, F&& f) {
  constexpr int64_t kWorthOfRow = 200;
  parallel_for(pairs.tiles(), pairs.tiles() * fourier.rows() * kWorthOfRow, [&](int64_t index) {
    const TileRows<A> z = tile_rows<A>(fourier.rows());
    f(z.get(), index);
  });
}

/// Rows [0, n) of z = x, continued by zeros or folded.
template <class T>
void load_rows(const LaneColumns<T>& re, const LaneColumns<T>& im, int64_t L, int64_t n, Lanes<Accumulator<T>>* z) {
  for (int64_t j = 0; j < n; ++j)
    z[j] = j < L ? Lanes<Accumulator<T>>{re.load(j), im.load(j)} : Lanes<Accumulator<T>>::zero();
  for (int64_t j = n; j < L; ++j) {
    Lanes<Accumulator<T>>& row = z[j % n];
    row = {row.re + re.load(j), row.im + im.load(j)};
  }
}

/// X [A, K, 2, C] as [A, 2 K, C].
Tensor as_rows(const Tensor& X) { return X.reshape({X.dim(0), 2 * X.dim(1), X.dim(3)}); }

}  // namespace

void rfft(const Tensor& x, int64_t n, SpectrumWeights w, const Tensor& X) {
  dispatch_float(x.dtype(), "rfft", [&]<class T>() {
    using A = Accumulator<T>;
    const AnyLength<A> fourier(n);
    const Pairs<A> pairs(x);
    const Tensor rows = as_rows(X);
    for_tiles(pairs, fourier, [&](Lanes<A>* z, int64_t index) {
      load_rows(pairs.template part<T>(x, index, 0), pairs.template part<T>(x, index, 1), x.dim(1), n, z);
      fourier.forward(z);
      const auto a = pairs.template part<A>(rows, index, 0), b = pairs.template part<A>(rows, index, 1);
      for (int64_t k = 0; k <= n / 2; ++k) {
        // z = a + i b, so Z_k = A_k + i B_k, and Z_{n-k} = conj(A_k) + i conj(B_k).
        const Lanes<A> p = z[fourier.row(k)], q = z[fourier.row((n - k) % n)];
        const A half = static_cast<A>(w.at(k, n) / 2);
        a.store(2 * k, half * (p.re + q.re));
        a.store(2 * k + 1, half * (p.im - q.im));
        b.store(2 * k, half * (p.im + q.im));
        b.store(2 * k + 1, half * (q.re - p.re));
      }
    });
  });
}

void irfft(const Tensor& X, int64_t n, SpectrumWeights w, const Tensor& x) {
  dispatch_float(x.dtype(), "irfft", [&]<class T>() {
    using A = Accumulator<T>;
    const AnyLength<A> fourier(n);
    const Pairs<A> pairs(x);
    const Tensor rows = as_rows(X);
    for_tiles(pairs, fourier, [&](Lanes<A>* z, int64_t index) {
      const auto a = pairs.template part<A>(rows, index, 0), b = pairs.template part<A>(rows, index, 1);
      for (int64_t k = 0; k <= n / 2; ++k) {
        const bool edge = k == 0 || 2 * k == n;
        const A half = static_cast<A>(edge ? w.edge : w.inner / 2);
        const Lanes<A> p{half * a.load(2 * k), half * a.load(2 * k + 1)};
        const Lanes<A> q{half * b.load(2 * k), half * b.load(2 * k + 1)};
        if (edge) {
          z[k] = exchanged(Lanes<A>{p.re, q.re});
        } else {
          z[k] = exchanged(p + times_i(q));
          z[n - k] = exchanged(Lanes<A>{p.re + q.im, q.re - p.im});  // conj(p) + i conj(q)
        }
      }
      fourier.forward(z);
      const auto re = pairs.template part<T>(x, index, 0), im = pairs.template part<T>(x, index, 1);
      for (int64_t j = 0; j < x.dim(1); ++j) {
        const Lanes<A> y = exchanged(z[fourier.row(j % n)]);
        re.store(j, y.re);
        im.store(j, y.im);
      }
    });
  });
}

void cosine_transform(const Tensor& x, int64_t n, const Tensor& y) {
  dispatch_float(x.dtype(), "cosine_transform", [&]<class T>() {
    using A = Accumulator<T>;
    const AnyLength<A> fourier(n);
    const Pairs<A> pairs(x);
    for_tiles(pairs, fourier, [&](Lanes<A>* z, int64_t index) {
      load_rows(pairs.template part<T>(x, index, 0), pairs.template part<T>(x, index, 1), x.dim(1), n, z);
      fourier.forward(z);
      const auto re = pairs.template part<T>(y, index, 0), im = pairs.template part<T>(y, index, 1);
      for (int64_t i = 0; i < y.dim(1); ++i) {
        const Lanes<A> sum = z[fourier.row(i % n)] + z[fourier.row((n - i % n) % n)];
        re.store(i, A(0.5) * sum.re);
        im.store(i, A(0.5) * sum.im);
      }
    });
  });
}

}  // namespace matmix::cpu
