#include "ops/norm/norm.h"

#include <utility>

#include "autograd/node.h"
#include "ops/common/views.h"
#include "ops/norm/norm_kernels.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

/// A tensor of this shape and dtype for a kernel to write the gradient of `input` into: where it belongs, if that fits.
Tensor gradient(const Backward& backward, int input, const Shape& shape, DType dtype, Device device) {
  if (!backward.needs(input)) return Tensor();
  const Tensor target = backward.target(input);
  const bool fits = target.dtype() == dtype && rows_view(target).defined();
  return fits ? target : empty(shape, dtype, device);
}

void check(const Var& x, const Var& weight, const NormOptions& o) {
  require(x.defined() && x.rank() >= 1 && x.dim(-1) >= 1 && is_floating(x.dtype()), "norm",
          "x must be floating [..., D] with D >= 1, got ", x);
  const auto check_vector = [&](const Var& v, const char* name) {
    require(v.shape() == Shape{x.dim(-1)} && is_floating(v.dtype()) && v.device() == x.device(), "norm", name,
            " must be floating [", x.dim(-1), "] on x's device, got ", v, "; x is ", x);
  };
  require(weight.defined(), "norm", "weight must be defined; x is ", x);
  check_vector(weight, "weight");
  if (o.bias.defined()) check_vector(o.bias, "bias");
  const auto check_rows = [&](const Var& v, const char* name) {
    require(v.shape() == x.shape() && v.device() == x.device(), "norm", name, " must have x's shape and device, got ",
            v, "; x is ", x);
  };
  if (o.gate.defined()) {
    check_rows(o.gate, "gate");
    require(o.gate.dtype() == x.dtype(), "norm", "gate must have x's dtype, got ", o.gate, "; x is ", x);
  }
  if (o.residual.defined()) check_rows(o.residual, "residual");
  require(!(o.residual.defined() && o.gate.defined() && o.order == GateOrder::kBeforeNorm), "norm",
          "a residual and a gate before the norm exclude each other; x is ", x);
  for (const DType dtype : {o.out_dtype.value_or(x.dtype()), o.residual.defined() ? o.residual.dtype() : x.dtype()})
    require(is_floating(dtype) && accumulator(dtype) == accumulator(x.dtype()), "norm",
            "cannot mix F64 with other dtypes: x is ", x, ", out_dtype or residual is ", dtype);
  require(o.eps >= 0, "norm", "eps must not be negative, got ", o.eps);
}

/// What backward needs of a call.
struct NormCall {
  enum Input { kX, kWeight, kBias, kResidual, kGate };

  NormRule rule;
  Shape shape;
  DType x_dtype;
  bool has_residual;
  Saved u, weight, bias, gate, mean, rstd;
};

void give_gradients(const Backward& b, const NormCall& kept) {
  using enum NormCall::Input;
  const Tensor dr = kept.has_residual ? b.dy(1) : Tensor();
  if (!b.dy(0).defined()) {  // only the sum was used
    b.give(kX, dr);
    b.give(kResidual, dr);
    return;
  }
  const Tensor& u = kept.u;
  const Device device = u.device();
  const int64_t rows = u.dim(0), D = u.dim(1), pieces = (rows + norm_piece_rows(rows) - 1) / norm_piece_rows(rows);
  // x and a residual of one dtype have the same gradient, so it is written once, where nothing else is added to it.
  const bool is_shared = kept.has_residual && u.dtype() == kept.x_dtype && b.needs(kX) && b.needs(kResidual);
  const Tensor dx =
      is_shared ? empty(kept.shape, kept.x_dtype, device) : gradient(b, kX, kept.shape, kept.x_dtype, device);
  const Tensor dresidual = !kept.has_residual ? Tensor()
                           : is_shared        ? dx
                                              : gradient(b, kResidual, kept.shape, u.dtype(), device);
  const Tensor dgate = kept.gate.get().defined() ? gradient(b, kGate, kept.shape, kept.x_dtype, device) : Tensor();
  const auto partial = [&](int input) {
    return b.needs(input) ? empty({pieces, D}, kept.rstd.get().dtype(), device) : Tensor();
  };
  const Tensor dweight = partial(kWeight), dbias = partial(kBias);
  const NormBackward backward{.u = u,
                              .weight = kept.weight,
                              .bias = kept.bias,
                              .gate = kept.gate,
                              .mean = kept.mean,
                              .rstd = kept.rstd,
                              .dy = as_rows(b.dy(0)),
                              .dr = as_rows(dr),
                              .dx = as_rows(dx),
                              .dresidual = is_shared ? Tensor() : as_rows(dresidual),
                              .dgate = as_rows(dgate),
                              .dweight = dweight,
                              .dbias = dbias};
  if (rows > 0) kNormBackward(device, kept.rule, backward);
  for (const auto& [input, dinput] :
       {std::pair{kX, dx}, {kResidual, dresidual}, {kGate, dgate}, {kWeight, dweight}, {kBias, dbias}})
    if (dinput.defined()) b.give(input, dinput);
}

}  // namespace

NormResult norm(const Var& x, const Var& weight, const NormOptions& o) {
  check(x, weight, o);
  const Device device = x.device();
  const int64_t rows = x.numel() / x.dim(-1);
  const DType stats = accumulator(x.dtype());
  const NormRule rule{o.kind, o.order, o.eps};
  const auto vector = [&](const Var& v) { return v.defined() ? contiguous(cast(v.value(), stats)) : Tensor(); };

  const Tensor y = empty(x.shape(), o.out_dtype.value_or(x.dtype()), device);
  const Tensor r = o.residual.defined() ? empty(x.shape(), o.residual.dtype(), device) : Tensor();
  const NormForward t{.x = as_rows(x.value()),
                      .weight = vector(weight),
                      .bias = vector(o.bias),
                      .residual = as_rows(o.residual.value()),
                      .gate = as_rows(o.gate.value()),
                      .y = as_rows(y),
                      .r = as_rows(r),
                      .mean = o.kind == NormKind::kLayer ? empty({rows}, stats, device) : Tensor(),
                      .rstd = empty({rows}, stats, device)};
  if (rows > 0) kNormForward(device, rule, t);

  NormCall kept{.rule = rule,
                .shape = x.shape(),
                .x_dtype = x.dtype(),
                .has_residual = r.defined(),
                .u = {r.defined() ? t.r : t.x, r.defined() ? "residual" : "x"},
                .weight = {t.weight, "weight"},
                .bias = {o.gate.defined() ? t.bias : Tensor(), "bias"},
                .gate = {t.gate, "gate"},
                .mean = {t.mean, "mean"},
                .rstd = {t.rstd, "rstd"}};
  const auto outputs = record("norm", {x, weight, o.bias, o.residual, o.gate}, std::vector{y, r},
                              [kept = std::move(kept)](const Backward& b) { give_gradients(b, kept); });
  return {outputs[0], outputs[1]};
}

}  // namespace matmix
