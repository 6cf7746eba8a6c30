#include "ops/conv1d/conv1d.h"

#include "autograd/node.h"
#include "ops/common/views.h"
#include "ops/conv1d/conv1d_kernels.h"
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

struct Conv1dCall {
  Saved x, taps, bias;
  Conv1dRule rule;  ///< without tensors
  Runs runs;
};

void give_gradients(const Backward& b, const Conv1dCall& kept) {
  const Tensor& x = kept.x;
  const Device device = x.device();
  Conv1dRule rule = kept.rule;
  rule.taps = kept.taps;
  rule.bias = kept.bias;
  Tensor du = as_rows(b.dy());
  if (rule.act_channels > 0) {
    const Tensor dy = du;
    du = empty(dy.shape(), dy.dtype(), device);
    kConv1dSlope(device, x, rule, kept.runs, dy, du);
  }
  const int64_t width = rule.taps.dim(0), C = rule.taps.dim(1);
  if (b.needs(0)) {
    const Tensor dx = b.target(0);
    const bool fits = dx.dtype() == du.dtype() && rows_view(dx).defined();
    const Tensor to = fits ? dx : empty(dx.shape(), du.dtype(), device);
    const Conv1dRule back{.taps = rule.taps,
                          .bias = zeros({C}, rule.bias.dtype(), device),
                          .left = width - 1 - rule.left,
                          .reversed = true};
    kConv1dForward(device, du, back, kept.runs, to.reshape(du.shape()));
    b.give(0, to);
  }
  if (b.needs(1) || b.needs(2)) {
    const int64_t pieces = (x.dim(0) + kConv1dPiece - 1) / kConv1dPiece;
    const Tensor partial = empty({pieces, width + 1, C}, rule.taps.dtype(), device);
    kConv1dTapSums(device, x, du, rule.left, kept.runs, partial);
    if (b.needs(1)) b.give(1, partial.narrow(1, 0, width).transpose(1, 2));
    if (b.needs(2)) b.give(2, partial.select(1, width));
  }
}

}  // namespace

Var conv1d(const Var& x, const Var& weight, const Conv1dOptions& o) {
  check(x, weight, o);
  const int64_t C = x.dim(2), width = weight.dim(1);
  const DType wide = accumulator(x.dtype());
  Conv1dRule rule{.left = o.causal ? width - 1 : (width - 1) / 2,
                  .act = o.act,
                  .act_channels = o.act == Activation::kNone ? 0
                                  : o.act_channels < 0       ? C
                                                             : o.act_channels};
  rule.taps = contiguous(cast(weight.value(), wide).transpose(0, 1));
  rule.bias = o.bias.defined() ? contiguous(cast(o.bias.value(), wide)) : zeros({C}, wide, x.device());
  const Runs runs = o.runs.value_or(Runs::full(x.dim(0), x.dim(1)));
  const Tensor tokens = as_rows(x.value());
  const Tensor y = empty(x.shape(), x.dtype(), x.device());
  kConv1dForward(x.device(), tokens, rule, runs, as_rows(y));

  Conv1dCall kept{
      .x = {tokens, "x"}, .taps = {rule.taps, "weight"}, .bias = {rule.bias, "bias"}, .rule = rule, .runs = runs};
  kept.rule.taps = kept.rule.bias = Tensor();
  return record("conv1d", {x, weight, o.bias}, y,
                [kept = std::move(kept)](const Backward& b) { give_gradients(b, kept); });
}

}  // namespace matmix
