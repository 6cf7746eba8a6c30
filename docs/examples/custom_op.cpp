// An op of one's own: softsign, y = x / (1 + |x|), with its gradient dx = dy / (1 + |x|)^2, for the CPU. Its closure
// keeps x and nothing else. An op that is to run on both devices is a folder: docs/adding_an_op.md.
#include <cmath>
#include <cstdio>

#include "autograd/gradcheck.h"
#include "autograd/node.h"
#include "ops/ops.h"
#include "tensor/create.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tensor/transfer.h"

using namespace matmix;

namespace {

/// y_i = f(a_i, b_i).
template <class F>
Tensor map(const Tensor& a, const Tensor& b, F f) {
  const Tensor y = empty_like(a), dense_a = contiguous(a), dense_b = contiguous(b);
  dispatch_float(a.dtype(), "softsign", [&]<class T>() {
    for (int64_t i = 0; i < y.numel(); ++i)
      y.data<T>()[i] = T(f(static_cast<double>(dense_a.data<T>()[i]), static_cast<double>(dense_b.data<T>()[i])));
  });
  return y;
}

Var softsign(const Var& x) {
  require(!x.device().is_cuda(), "softsign", "x must be on the CPU; x is ", x);
  const Tensor y = map(x.value(), x.value(), [](double v, double) { return v / (1 + std::abs(v)); });
  return record("softsign", {x}, y, [x = Saved(x.value(), "x")](Backward& b) {
    b.give(0, map(x, b.dy(), [](double v, double dy) { return dy / ((1 + std::abs(v)) * (1 + std::abs(v))); }));
  });
}

}  // namespace

int main() {
  const Tensor x = empty({3, 5}, DType::F64);
  random_normal(x, 0, 2, {.seed = 1});
  const auto f = [](const std::vector<Var>& in) { return std::vector<Var>{softsign(transpose(in[0], 0, 1))}; };
  const GradcheckReport report = gradcheck("softsign", f, {x});
  std::printf("%s", report.text().c_str());
  return report.worst() < 1e-8 ? 0 : 1;
}
