#include "ops/fft/fourier_cuda.cuh"
#include "ops/toeplitz/toeplitz_kernels.h"
#include "tensor/cuda/reduce.cuh"

// As on the CPU: taps are real and one filter serves a head, so two of its channels pass as one complex column, a + i
// b: channels p and p + pairs. Here frequencies come in order.
namespace matmix::cuda {
namespace {

/// A batch [B, L, H, P] with dense rows as complex columns, counted (row, head, pair).
template <class T>
struct Channels {
  using A = Accumulator<T>;
  T* data;
  int64_t B, L, H, P, pairs, row, token, head;

  explicit Channels(const Tensor& x)
      : data(x.data<T>()),
        B(x.dim(0)),
        L(x.dim(1)),
        H(x.dim(2)),
        P(x.dim(3)),
        pairs((P + 1) / 2),
        row(x.stride(0)),
        token(x.stride(1)),
        head(x.stride(2)) {}
  int64_t columns() const { return B * H * pairs; }
  /// Row and head of a column: which filter is its.
  __device__ int64_t filter(int64_t column) const { return column / pairs; }
  __device__ T* at(int64_t i, int64_t column) const {
    const int64_t f = column / pairs;
    return data + f / H * row + i * token + f % H * head + column % pairs;
  }
  __device__ bool has_second(int64_t column) const { return column % pairs + pairs < P; }
  __device__ Complex<A> load(int64_t i, int64_t column) const {
    const T* x = at(i, column);
    return {static_cast<A>(x[0]), has_second(column) ? static_cast<A>(x[pairs]) : A(0)};
  }
  __device__ void store(int64_t i, int64_t column, const Complex<A>& z) const {
    T* x = at(i, column);
    x[0] = static_cast<T>(z.re);
    if (has_second(column)) x[pairs] = static_cast<T>(z.im);
  }
};

/// The transform of every column of x, continued by zeros.
template <class T>
Tensor transformed(const Tensor& x, int64_t n) {
  using A = Accumulator<T>;
  const Channels<T> from(x);
  const Tensor z = empty({n, 2, from.columns()}, dtype_of<A>(), x.device());
  const ComplexRows<A> to(z);
  each_entry_kernel<<<entry_blocks(n, from.columns()), kEntryThreads, 0, stream()>>>(
      n, from.columns(), [=] __device__(int64_t i, int64_t column) {
        to.store(i, column, i < from.L ? from.load(i, column) : Complex<A>{A(0), A(0)});
      });
  return fourier(z, -1);
}

/// The transforms of scale times taps [rows, 2 L - 1, H]: a column for each row and head. Lag t lies at t mod n.
template <class A>
Tensor filters(const Tensor& taps, int64_t n, double scale) {
  const int64_t lags = taps.dim(1), L = (lags + 1) / 2, H = taps.dim(2);
  const A* from = taps.data<A>();
  const A by = static_cast<A>(scale);
  const Tensor z = empty({n, 2, taps.dim(0) * H}, taps.dtype(), taps.device());
  const ComplexRows<A> to(z);
  each_entry_kernel<<<entry_blocks(n, to.columns), kEntryThreads, 0, stream()>>>(
      n, to.columns, [=] __device__(int64_t k, int64_t column) {
        const int64_t lag = k < L ? k : k - n;
        A tap = 0;
        if (lag > -L) tap = by * from[(column / H * lags + L - 1 + lag) * H + column % H];
        to.store(k, column, {tap, A(0)});
      });
  return fourier(z, -1);
}

/// z times the filters of its columns, or their conjugates, and back: the first rows are y.
template <class T>
void multiply(const Tensor& z, const Tensor& filters, bool conjugate, const Tensor& y) {
  using A = Accumulator<T>;
  const Channels<T> to(y);
  const ComplexRows<A> rows(z), by(filters);
  each_entry_kernel<<<entry_blocks(z.dim(0), rows.columns), kEntryThreads, 0, stream()>>>(
      z.dim(0), rows.columns, [=] __device__(int64_t k, int64_t column) {
        const Complex<A> w = by.load(k, to.filter(column) % by.columns);
        rows.store(k, column, (conjugate ? conj(w) : w) * rows.load(k, column));
      });
  const Tensor back = fourier(z, 1);
  const ComplexRows<A> from(back);
  each_entry_kernel<<<entry_blocks(to.L, rows.columns), kEntryThreads, 0, stream()>>>(
      to.L, rows.columns, [=] __device__(int64_t i, int64_t column) { to.store(i, column, from.load(i, column)); });
}

constexpr int kThreads = 256;

// Correlation of a head's channels.     g[k, f] = sum over the pairs of filter f of conj(x[k, pair]) dy[k, pair]
// Owns:    warp = one (k, f), neighbouring lanes neighbouring pairs.   Traffic: reads both once: bound by memory.
// Syncs:   within the warp.   Numerics: a lane's pairs in order, then the lanes; same bits every run.
template <class A>
__global__ void correlate_kernel(ComplexRows<A> x, ComplexRows<A> dy, int64_t n, int64_t pairs, ComplexRows<A> g) {
  const int64_t index = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kWarp;
  if (index >= n * g.columns) return;
  const int64_t k = index / g.columns, f = index - k * g.columns;
  Complex<A> sum{A(0), A(0)};
  for (int64_t p = threadIdx.x % kWarp; p < pairs; p += kWarp)
    sum = sum + conj(x.load(k, f * pairs + p)) * dy.load(k, f * pairs + p);
  sum = {warp_sum(sum.re), warp_sum(sum.im)};
  if (threadIdx.x % kWarp == 0) g.store(k, f, sum);
}

/// dtaps [B, 2 L - 1, H] from the transforms of x and dy.
template <class A>
void correlate(const Tensor& x, const Tensor& dy, double scale, const Tensor& dtaps) {
  const int64_t n = x.dim(0), lags = dtaps.dim(1), L = (lags + 1) / 2, H = dtaps.dim(2), columns = dtaps.dim(0) * H;
  const Tensor g = empty({n, 2, columns}, x.dtype(), x.device());
  correlate_kernel<<<blocks(n * columns * kWarp, kThreads), kThreads, 0, stream()>>>(
      ComplexRows<A>(x), ComplexRows<A>(dy), n, x.dim(2) / columns, ComplexRows<A>(g));
  const Tensor back = fourier(g, 1);
  const ComplexRows<A> from(back);
  A* to = dtaps.data<A>();
  const A by = static_cast<A>(scale);
  each_entry_kernel<<<entry_blocks(lags, columns), kEntryThreads, 0, stream()>>>(
      lags, columns, [=] __device__(int64_t t, int64_t column) {
        const int64_t lag = t - (L - 1);
        to[(column / H * lags + t) * H + column % H] = by * from.load(lag < 0 ? lag + n : lag, column).re;
      });
}

}  // namespace

void toeplitz_forward(const Tensor& taps, const Tensor& x, double scale, const Tensor& y) {
  const int64_t n = toeplitz_size(x.dim(1));
  dispatch_float(x.dtype(), "toeplitz", [&]<class T>() {
    const Tensor f = filters<Accumulator<T>>(taps, n, scale / static_cast<double>(n));
    multiply<T>(transformed<T>(x, n), f, false, y);
  });
}

void toeplitz_backward(const Tensor& taps, const Tensor& x, const Tensor& dy, double scale, const Tensor& dtaps,
                       const Tensor& dx) {
  const int64_t n = toeplitz_size(x.dim(1));
  const double mean = scale / static_cast<double>(n);
  dispatch_float(x.dtype(), "toeplitz", [&]<class T>() {
    const Tensor w = transformed<T>(dy, n);
    if (dtaps.defined()) correlate<Accumulator<T>>(transformed<T>(x, n), w, mean, dtaps);
    if (dx.defined()) multiply<T>(w, filters<Accumulator<T>>(taps, n, mean), true, dx);
  });
}

}  // namespace matmix::cuda
