#include "ops/fft/fft.h"

#include "autograd/node.h"
#include "ops/common/views.h"
#include "ops/fft/fft_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

void check(const char* op, const Var& x, int64_t n) {
  require(x.defined() && is_floating(x.dtype()), op, "x must be a floating tensor, got ", x);
  require(n > 0, op, "n must be positive, got ", n, "; x is ", x);
}

/// A contiguous spectrum as [A, K, 2, C] around its frequencies.
Tensor around_frequencies(const Tensor& X, int axis) {
  const Tensor x = around(X, axis);
  return x.reshape({x.dim(0), x.dim(1), 2, x.dim(2) / 2});
}

/// The shape of a spectrum of n along an axis of `shape`.
Shape spectrum_shape(const Shape& shape, int axis, int64_t n) {
  Shape out;
  for (int i = 0; i < shape.rank(); ++i) {
    out.push_back(i == axis ? n / 2 + 1 : shape[i]);
    if (i == axis) out.push_back(2);
  }
  return out;
}
/// The shape of L real numbers in place of the frequencies `axis` and the parts behind it.
Shape real_shape(const Shape& spectrum, int axis, int64_t L) {
  Shape out;
  for (int i = 0; i < spectrum.rank(); ++i)
    if (i != axis + 1) out.push_back(i == axis ? L : spectrum[i]);
  return out;
}

Tensor analysed(const Tensor& x, int axis, int64_t n, SpectrumWeights w) {
  const Tensor X = empty(spectrum_shape(x.shape(), axis, n), accumulator(x.dtype()), x.device());
  if (X.numel() > 0) kRfft(x.device(), around(x, axis), n, w, around_frequencies(X, axis));
  return X;
}

Tensor synthesised(const Tensor& X, int axis, int64_t n, SpectrumWeights w, int64_t L, DType dtype) {
  const Tensor x = empty(real_shape(X.shape(), axis, L), dtype, X.device());
  const Tensor rows = around_frequencies(contiguous(cast(X, accumulator(dtype))), axis);
  if (x.numel() > 0) kIrfft(x.device(), rows, n, w, around(x, axis));
  return x;
}

Tensor cosines(const Tensor& x, int axis, int64_t n) {
  const Tensor y = empty(x.shape(), x.dtype(), x.device());
  if (x.numel() > 0) kCosineTransform(x.device(), around(x, axis), n, around(y, axis));
  return y;
}

}  // namespace

Var rfft(const Var& x, int axis, int64_t n) {
  require(x.defined(), "rfft", "x must be a floating tensor, got ", x);
  const int at = normalize_axis(axis, x.rank(), "rfft");
  const int64_t L = x.dim(at);
  if (n == 0) n = L;
  check("rfft", x, n);
  return record("rfft", {x}, analysed(x.value(), at, n, {}),
                [=, dtype = x.dtype()](Backward& b) { b.give(0, synthesised(b.dy(), at, n, {}, L, dtype)); });
}

Var irfft(const Var& X, int axis, int64_t n) {
  check("irfft", X, n);
  const int at = normalize_axis(axis, X.rank(), "irfft");
  require(at + 1 < X.rank() && X.dim(at) == n / 2 + 1 && X.dim(at + 1) == 2, "irfft", "X must have ", n / 2 + 1,
          " frequencies along axis ", axis, " and 2 parts behind it, got ", X);
  const SpectrumWeights mean{.edge = 1.0 / static_cast<double>(n), .inner = 2.0 / static_cast<double>(n)};
  return record("irfft", {X}, synthesised(X.value(), at, n, mean, n, X.dtype()),
                [=](Backward& b) { b.give(0, analysed(b.dy(), at, n, mean)); });
}

Var cosine_transform(const Var& x, int axis, int64_t n) {
  check("cosine_transform", x, n);
  const int at = normalize_axis(axis, x.rank(), "cosine_transform");
  return record("cosine_transform", {x}, cosines(x.value(), at, n),
                [=](Backward& b) { b.give(0, cosines(b.dy(), at, n)); });
}

}  // namespace matmix
