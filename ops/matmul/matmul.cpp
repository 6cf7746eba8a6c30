#include "ops/matmul/matmul.h"

#include "autograd/node.h"
#include "ops/common/views.h"
#include "ops/matmul/gemm.h"
#include "ops/matmul/give_product.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

Tensor transposed(const Tensor& x, bool wanted) { return wanted ? x.transpose(-2, -1) : x; }
Tensor dense(const Tensor& x) { return has_dense_matrices(x) ? x : contiguous(x); }

/// Brings the batch axes along which an input was broadcast next to the axis that its gradient contracts, so that
/// summing over them is part of the product:  x [batch..., R, S] -> [kept..., R, summed * S].
/// Copies only where the strides allow no view.
Tensor folded(const Tensor& x, const Shape& input_lead) {
  const int axes = x.rank() - 2, missing = axes - input_lead.rank();
  std::vector<int> order, summed;
  Shape shape;
  int64_t columns = x.dim(-1);
  for (int i = 0; i < axes; ++i) {
    const bool broadcast = i < missing || input_lead[i - missing] != x.dim(i);
    (broadcast ? summed : order).push_back(i);
    if (broadcast)
      columns *= x.dim(i);
    else
      shape.push_back(x.dim(i));
  }
  order.push_back(axes);
  order.insert(order.end(), summed.begin(), summed.end());
  order.push_back(axes + 1);
  return dense(reshaped(x.permute(order), shape + Shape{x.dim(-2), columns}));
}

/// A tensor of the input's shape without its broadcast axes of size 1.
Tensor without_broadcast_axes(Tensor x, const Shape& batch) {
  const int missing = batch.rank() - (x.rank() - 2);
  for (int i = x.rank() - 3; i >= 0; --i)
    if (x.dim(i) != batch[i + missing]) x = x.squeeze(i);
  return x;
}

void check(const Var& a, const Var& b, const MatmulOptions& options) {
  for (const Var* x : {&a, &b}) {
    require(x->defined() && is_floating(x->dtype()), "matmul", "operands must be floating, got ", *x);
    require(x->rank() >= 2, "matmul", "operands must have at least two axes, got ", *x);
  }
  require(a.dtype() == b.dtype() && a.device() == b.device(), "matmul",
          "a and b must have one dtype and device, got a ", a, ", b ", b);
  const int64_t a_K = a.dim(options.transpose_a ? -2 : -1), b_K = b.dim(options.transpose_b ? -1 : -2);
  require(a_K == b_K, "matmul", "columns of op(a) must equal rows of op(b), got ", a_K, " and ", b_K, "; a is ", a,
          ", b is ", b);
  const DType out = options.out_dtype.value_or(a.dtype());
  require(out == a.dtype() || (a.dtype() == DType::BF16 && out == DType::F32), "matmul", "out_dtype must be ",
          a.dtype(), a.dtype() == DType::BF16 ? " or F32" : "", ", got ", out);
}

}  // namespace

Var matmul(const Var& a, const Var& b, const MatmulOptions& options) {
  check(a, b, options);
  const Tensor left = dense(transposed(a.value(), options.transpose_a));
  const Tensor right = dense(transposed(b.value(), options.transpose_b));
  const Shape batch = broadcast_shapes(batch_of(a.shape()), batch_of(b.shape()), "matmul");
  const int64_t M = left.dim(-2), N = right.dim(-1), K = left.dim(-1);
  const Tensor c = empty(batch + Shape{M, N}, options.out_dtype.value_or(a.dtype()), a.device());
  gemm(left.expand(batch + Shape{M, K}), right.expand(batch + Shape{K, N}), c, options.scale);

  return record(
      "matmul", {a, b}, c,
      [left = Saved(left, "a"), right = Saved(right, "b"), options, batch, M, N, K](Backward& backward) {
        const Tensor dc = cast(backward.dy(), left.get().dtype());
        // d op(A) = dC op(B)^T
        const Shape a_lead = batch_of(left.get().shape()), b_lead = batch_of(right.get().shape());
        if (backward.needs(0))
          give_product(
              backward, 0, folded(dc, a_lead),
              folded(right.get().expand(batch + Shape{K, N}), a_lead).transpose(-2, -1), options.scale,
              [&](const Tensor& da) { return transposed(without_broadcast_axes(da, batch), options.transpose_a); });
        // d op(B)^T = dC^T op(A)
        if (backward.needs(1))
          give_product(
              backward, 1, folded(dc.transpose(-2, -1), b_lead),
              folded(left.get().expand(batch + Shape{M, K}).transpose(-2, -1), b_lead).transpose(-2, -1), options.scale,
              [&](const Tensor& db) { return transposed(without_broadcast_axes(db, batch), !options.transpose_b); });
      });
}

}  // namespace matmix
