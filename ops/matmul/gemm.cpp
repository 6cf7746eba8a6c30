#include "ops/matmul/gemm.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "ops/common/views.h"
#include "ops/matmul/gemm_kernels.h"
#include "tensor/create.h"

namespace matmix {
namespace {

/// Axes of size 1 have no stride to speak of, so they fit either layout.
std::optional<MatrixLayout> layout_of(const Tensor& x) {
  const int64_t rows = x.dim(-2), columns = x.dim(-1);
  if (columns <= 1 || x.stride(-1) == 1)
    return MatrixLayout{rows > 1 ? x.stride(-2) : std::max(x.stride(-2), columns), false};
  if (rows <= 1 || x.stride(-2) == 1) return MatrixLayout{x.stride(-1), true};
  return std::nullopt;
}

void check_gemm(const Tensor& a, const Tensor& b, const Tensor& c) {
  for (const Tensor* x : {&a, &b, &c})
    require(x->defined() && x->rank() >= 2, "gemm", "a, b and c must be matrices, got ", *x);
  const Shape lead = batch_of(c.shape());
  require(batch_of(a.shape()) == lead && batch_of(b.shape()) == lead && a.dim(-2) == c.dim(-2) &&
              b.dim(-1) == c.dim(-1) && a.dim(-1) == b.dim(-2),
          "gemm", "a b must have the shape of c, got a ", a, ", b ", b, ", c ", c);
  require(a.device() == c.device() && b.device() == c.device(), "gemm", "a, b and c must be on one device, got a ", a,
          ", b ", b, ", c ", c);
  require(a.dtype() == b.dtype() && gemm_writes(a.dtype(), c), "gemm", "cannot multiply ", a.dtype(), " by ", b.dtype(),
          " into ", c, " with strides ", c.strides());
  for (const Tensor* x : {&a, &b})
    require(has_dense_matrices(*x), "gemm", "rows or columns must be dense, got strides ", x->strides(), " of ", *x);
}

/// Whether axis `outer` of the batch continues the axis `inner` that the merged batch ends in, for this tensor.
bool continues(const Tensor& x, int outer, int64_t size, int64_t step) { return x.stride(outer) == size * step; }

void merge_batch(GemmProblem& p) {
  Shape batch, a_step, b_step, c_step;  // innermost first
  for (int i = p.c.rank() - 3; i >= 0; --i) {
    const int64_t size = p.c.dim(i);
    if (size == 1) continue;
    const int last = batch.rank() - 1;
    if (last >= 0 && continues(p.a, i, batch[last], a_step[last]) && continues(p.b, i, batch[last], b_step[last]) &&
        continues(p.c, i, batch[last], c_step[last])) {
      batch[last] *= size;
      continue;
    }
    batch.push_back(size);
    a_step.push_back(p.a.stride(i));
    b_step.push_back(p.b.stride(i));
    c_step.push_back(p.c.stride(i));
  }
  // One b for many a whose rows follow each other: one tall product.
  int first = 0;
  if (batch.rank() > 0 && b_step[0] == 0 && !p.a_layout.by_columns && a_step[0] == p.M * p.a_layout.ld &&
      c_step[0] == p.M * p.ldc) {
    p.M *= batch[0];
    first = 1;
  }
  for (int i = batch.rank() - 1; i >= first; --i) {
    p.batch.push_back(batch[i]);
    p.a_step.push_back(a_step[i]);
    p.b_step.push_back(b_step[i]);
    p.c_step.push_back(c_step[i]);
  }
}

/// c^T = b^T a^T where c has dense columns.
GemmProblem make_problem(Tensor a, Tensor b, Tensor c, double alpha, double beta) {
  if (layout_of(c)->by_columns) {
    std::swap(a, b);
    for (Tensor* x : {&a, &b, &c}) *x = x->transpose(-2, -1);
  }
  GemmProblem p;
  p.a = a;
  p.b = b;
  p.c = c;
  p.M = c.dim(-2);
  p.N = c.dim(-1);
  p.K = a.dim(-1);
  p.alpha = alpha;
  p.beta = beta;
  p.a_layout = *layout_of(a);
  p.b_layout = *layout_of(b);
  p.ldc = layout_of(c)->ld;
  merge_batch(p);
  return p;
}

}  // namespace

Tensor one_of_each(const Tensor& x) {
  Tensor y = x;
  for (int i = 0; i < x.rank() - 2; ++i)
    if (x.stride(i) == 0) y = y.narrow(i, 0, 1);
  return y;
}

bool has_dense_matrices(const Tensor& x) { return x.numel() == 0 || layout_of(x).has_value(); }

bool gemm_writes(DType operands, const Tensor& c) {
  for (int i = 0; i < c.rank(); ++i)
    if (c.dim(i) > 1 && c.stride(i) == 0) return false;
  return has_dense_matrices(c) && is_floating(operands) &&
         (c.dtype() == operands || (operands == DType::BF16 && c.dtype() == DType::F32));
}

void gemm(const Tensor& a, const Tensor& b, const Tensor& c, double alpha, double beta) {
  check_gemm(a, b, c);
  c.bump_version();
  if (c.numel() == 0) return;
  if (a.dim(-1) > 0) return kGemm(c.device(), make_problem(a, b, c, alpha, beta));
  // Nothing to sum: one term of 0 instead.
  const Shape lead = batch_of(c.shape());
  const Tensor zero = zeros({1, 1}, a.dtype(), c.device());
  gemm(zero.expand(lead + Shape{c.dim(-2), 1}), zero.expand(lead + Shape{1, c.dim(-1)}), c, alpha, beta);
}

}  // namespace matmix
