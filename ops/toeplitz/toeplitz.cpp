#include "ops/toeplitz/toeplitz.h"

#include "autograd/node.h"
#include "ops/common/views.h"
#include "ops/toeplitz/toeplitz_check.h"
#include "ops/toeplitz/toeplitz_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

constexpr const char* kToeplitz = "toeplitz";

void check(const Var& taps, const Var& x) {
  check_toeplitz_taps(taps);
  require(x.defined() && x.rank() == 4 && x.dim(1) > 0 && is_floating(x.dtype()), kToeplitz,
          "x must be floating [B, L > 0, H, P], got ", x);
  require((taps.dim(0) == 1 || taps.dim(0) == x.dim(0)) && taps.dim(1) == 2 * x.dim(1) - 1 && taps.dim(2) == x.dim(2) &&
              taps.dtype() == x.dtype() && taps.device() == x.device(),
          kToeplitz, "taps must be [", x.dim(0), " or 1, ", 2 * x.dim(1) - 1, ", ", x.dim(2),
          "] in the dtype and on the device of x, which is ", x, ", got ", taps);
}

void give_gradients(const Backward& b, const Tensor& taps, const Tensor& x, double scale) {
  const DType wide = taps.dtype();
  const Tensor dy = dense_rows(b.dy());
  if (x.numel() == 0) {
    if (b.needs(0)) b.give(0, zeros_like(taps));
    if (b.needs(1)) b.give(1, zeros_like(x));
    return;
  }
  const Tensor dtaps = b.needs(0) ? empty({x.dim(0), taps.dim(1), taps.dim(2)}, wide, x.device()) : Tensor();
  Tensor dx;
  if (b.needs(1)) {
    dx = b.target(1);
    if (dx.dtype() != x.dtype() || !dx.has_dense_rows()) dx = empty(x.shape(), x.dtype(), x.device());
  }
  kToeplitzBackward(x.device(), taps, x, dy, scale, dtaps, dx);
  if (dtaps.defined()) b.give(0, dtaps);
  if (dx.defined()) b.give(1, dx);
}

}  // namespace

void check_toeplitz_taps(const Var& taps) {
  require(taps.defined() && taps.rank() == 3 && taps.dim(1) % 2 == 1 && is_floating(taps.dtype()), kToeplitz,
          "taps must be floating [B or 1, 2L - 1, H], got ", taps);
}

Var toeplitz(const Var& taps, const Var& x, double scale) {
  check(taps, x);
  const Tensor y = empty(x.shape(), x.dtype(), x.device());
  const Tensor wide = contiguous(cast(taps.value(), accumulator(x.dtype())));
  const Tensor rows = dense_rows(x.value());
  if (y.numel() > 0) kToeplitzForward(x.device(), wide, rows, scale, y);
  return record(kToeplitz, {taps, x}, y, [taps = Saved(wide, "taps"), x = Saved(rows, "x"), scale](Backward& b) {
    give_gradients(b, taps, x, scale);
  });
}

}  // namespace matmix
