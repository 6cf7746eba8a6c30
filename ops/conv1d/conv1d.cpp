#include "ops/conv1d/conv1d.h"

#include "autograd/node.h"
#include "ops/conv1d/conv1d_kernels.h"
#include "tensor/accumulate.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

void check(const Var& x, const Var& weight, const Conv1dOptions& o) {
  require(x.defined() && x.rank() == 3 && is_floating(x.dtype()), "conv1d", "x must be floating [B, L, C], got ", x);
  require(weight.defined() && weight.rank() == 2 && weight.dim(0) == x.dim(2) && weight.dim(1) >= 1, "conv1d",
          "weight must be [", x.dim(2), ", width >= 1], got ", weight, "; x is ", x);
  require(o.causal || weight.dim(1) % 2 == 1, "conv1d", "a centred width must be odd, got ", weight.dim(1));
  require(!o.bias.defined() || o.bias.shape() == Shape{x.dim(2)}, "conv1d", "bias must be [", x.dim(2), "], got ",
          o.bias);
  for (const Var& p : {weight, o.bias})
    require(!p.defined() || (p.device() == x.device() && is_floating(p.dtype())), "conv1d",
            "weight and bias must be floating and on x's device, got ", p, "; x is ", x);
  require(o.act_channels >= -1 && o.act_channels <= x.dim(2), "conv1d", "act_channels must be in [-1, ", x.dim(2),
          "], got ", o.act_channels);
  require(!o.runs || (o.runs->B() == x.dim(0) && o.runs->L() == x.dim(1)), "conv1d", "runs must be of ", x.dim(0),
          " rows of ", x.dim(1), " tokens; x is ", x);
}

DType accumulator(DType dtype) { return dtype == DType::F64 ? DType::F64 : DType::F32; }

/// Rows of taps in reverse: convolving with them is the transposed map.
Tensor reversed(const Tensor& taps) {
  const Tensor out = empty_like(taps);
  const int64_t width = taps.dim(0);
  for (int64_t k = 0; k < width; ++k) copy(out.select(0, width - 1 - k), taps.select(0, k));
  return out;
}

Tensor tap_sums(const Tensor& x, const Tensor& du, int64_t width, const Conv1dTaps& geometry, const Runs& runs) {
  const int64_t C = x.dim(2), tokens = x.dim(0) * x.dim(1), pieces = (tokens + kConv1dPiece - 1) / kConv1dPiece;
  const DType dtype = accumulator(x.dtype());
  const Tensor partial = empty({pieces, width + 1, C}, dtype, x.device());
  kConv1dTapSums(x.device(), x, du, geometry, runs, partial);
  const Tensor sums = empty({width + 1, C}, dtype, x.device());
  reduce_into(sums, partial);
  return sums;
}

}  // namespace

Var conv1d(const Var& x, const Var& weight, const Conv1dOptions& o) {
  check(x, weight, o);
  const int64_t C = x.dim(2), width = weight.dim(1);
  const DType wide = accumulator(x.dtype());
  const Conv1dTaps geometry{.left = o.causal ? width - 1 : (width - 1) / 2,
                            .act = o.act,
                            .act_channels = o.act == Activation::kNone ? 0
                                            : o.act_channels < 0       ? C
                                                                       : o.act_channels};
  const Runs runs = o.runs.value_or(Runs::full(x.dim(0), x.dim(1)));
  const Tensor rows = x.value().has_dense_rows() ? x.value() : contiguous(x.value());
  const Tensor taps = contiguous(cast(weight.value(), wide).transpose(0, 1));
  const Tensor bias = o.bias.defined() ? contiguous(cast(o.bias.value(), wide)) : zeros({C}, wide, x.device());
  const Tensor y = empty(x.shape(), x.dtype(), x.device());
  kConv1dForward(x.device(), rows, taps, bias, geometry, runs, y);

  return record("conv1d", {x, weight, o.bias}, y,
                [rows = Saved(rows, "x"), taps = Saved(taps, "weight"), bias = Saved(bias, "bias"), geometry, runs,
                 width](Backward& b) {
                  const Tensor& x = rows;
                  const Device device = x.device();
                  Tensor du = b.dy().has_dense_rows() ? b.dy() : contiguous(b.dy());
                  if (geometry.act_channels > 0) {
                    const Tensor dy = du;
                    du = empty(dy.shape(), dy.dtype(), device);
                    kConv1dSlope(device, x, taps, bias, geometry, runs, dy, du);
                  }
                  if (b.needs(0)) {
                    const Tensor dx = b.target(0);
                    const bool direct = dx.dtype() == du.dtype() && dx.has_dense_rows();
                    const Tensor out = direct ? dx : empty_like(du);
                    const Conv1dTaps back{.left = width - 1 - geometry.left};
                    const Tensor no_bias = zeros({x.dim(2)}, bias.get().dtype(), device);
                    kConv1dForward(device, du, reversed(taps), no_bias, back, runs, out);
                    b.give(0, out);
                  }
                  if (b.needs(1) || b.needs(2)) {
                    const Tensor sums = tap_sums(x, du, width, geometry, runs);
                    if (b.needs(1)) b.give(1, sums.narrow(0, 0, width).transpose(0, 1));
                    if (b.needs(2)) b.give(2, sums.select(0, width));
                  }
                });
}

}  // namespace matmix
