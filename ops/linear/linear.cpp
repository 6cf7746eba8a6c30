#include "ops/linear/linear.h"

#include "autograd/node.h"
#include "ops/common/views.h"
#include "ops/elementwise/functors.h"
#include "ops/linear/linear_kernels.h"
#include "ops/matmul/gemm.h"
#include "ops/matmul/give_product.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

Keeps kept_by(Activation act) {
  return dispatch_activation(act, []<class F>() { return F::kKeeps; });
}

void check(const Var& x, const Var& weight, const LinearOptions& options) {
  require(x.defined() && x.rank() >= 1 && is_floating(x.dtype()), "linear", "x must be floating [..., K], got ", x);
  require(weight.defined() && weight.rank() == 2 && weight.dim(1) == x.dim(-1), "linear", "weight must be [N, ",
          x.dim(-1), "], got ", weight, "; x is ", x);
  require(weight.dtype() == x.dtype() && weight.device() == x.device(), "linear",
          "weight must have x's dtype and device, got ", weight, "; x is ", x);
  const Var& bias = options.bias;
  if (bias.defined())
    require(bias.shape() == Shape{weight.dim(0)} && is_floating(bias.dtype()) && bias.device() == x.device(), "linear",
            "bias must be floating [", weight.dim(0), "] on x's device, got ", bias, "; x is ", x);
  const DType out = options.out_dtype.value_or(x.dtype());
  require(out == x.dtype() || (x.dtype() == DType::BF16 && out == DType::F32), "linear", "out_dtype must be ",
          x.dtype(), x.dtype() == DType::BF16 ? " or F32" : "", ", got ", out);
}

}  // namespace

Var linear(const Var& x, const Var& weight, const LinearOptions& options) {
  check(x, weight, options);
  const int64_t N = weight.dim(0);
  const DType out = options.out_dtype.value_or(x.dtype());
  const Activation act = options.act;
  const Tensor rows = as_rows(x.value());
  const Tensor W = has_dense_matrices(weight.value()) ? weight.value() : contiguous(weight.value());
  const DType wide = accumulator(out);
  const bool has_bias = options.bias.defined(), is_pointwise = has_bias || act != Activation::kNone;
  const Tensor bias = has_bias       ? contiguous(cast(options.bias.value(), wide))
                      : is_pointwise ? zeros({N}, wide, x.device())
                                     : Tensor();

  Shape shape = x.shape();
  shape[shape.rank() - 1] = N;
  const Tensor u = empty(shape, out, x.device());
  gemm(rows, W.transpose(0, 1), as_rows(u));
  const Keeps keeps = kept_by(act);
  const Tensor y = keeps == Keeps::kInput ? empty_like(u) : u;
  if (is_pointwise) kBiasActForward(u.device(), as_rows(u), bias, act, as_rows(y));

  const Tensor kept = keeps == Keeps::kInput ? u : keeps == Keeps::kOutput ? y : Tensor();
  return record("linear", {x, weight, options.bias}, y,
                [rows = Saved(rows, "x"), W = Saved(W, "weight"), kept = Saved(kept, "u"),
                 bias = Saved(keeps == Keeps::kInput ? bias : Tensor(), "bias"), act](Backward& backward) {
                  Tensor du = as_rows(backward.dy());
                  if (act != Activation::kNone) {
                    const Tensor dy = du;
                    du = empty(dy.shape(), dy.dtype(), dy.device());
                    kBiasActBackward(du.device(), dy, as_rows(kept), bias, act, du);
                  }
                  if (backward.needs(2)) backward.give(2, du);
                  du = cast(du, rows.get().dtype());
                  if (backward.needs(0)) give_product(backward, 0, du, W, 1, rows_view);
                  if (backward.needs(1))
                    give_product(backward, 1, du.transpose(0, 1), rows, 1, [](const Tensor& dw) { return dw; });
                });
}

}  // namespace matmix
