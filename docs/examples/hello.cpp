// A Hydra block by hand: its matrix, a product with it, the gradient, and a check of the gradient.
#include <cstdio>

#include "autograd/backward.h"
#include "autograd/gradcheck.h"
#include "mixers/registry.h"
#include "nn/parameter_store.h"
#include "ops/ops.h"
#include "tensor/create.h"
#include "tensor/print.h"
#include "tensor/random.h"

using namespace matmix;

int main() {
  const auto quasiseparable = [](const mixers::BlockShape& shape) {
    return mixers::find_mixer("quasiseparable").make(shape, {.state = 4});
  };
  mixers::MixerBlock block({.d_model = 8, .expand = 1, .headdim = 4}, quasiseparable);  // two heads
  const nn::ParameterStore store(block, kCpu, MathMode::kF64, 1);
  const Tensor tokens = empty({1, 6, 8}, DType::F64);  // [B, L, d_model]
  random_normal(tokens, 0, 1, {.seed = 2});
  const Var x = leaf(tokens, "x");
  const Runs runs = Runs::full(1, 6);

  const Var M = *block.matrix(x, runs);  // [B, H, L, L]
  std::printf("M of the first head:\n%s\n", print(M.value().select(0, 0).select(0, 0)).c_str());
  backward(sum(square(block.forward(x, runs))));
  std::printf("d(loss)/d(first token): %s\n", print(x.grad().select(0, 0).select(0, 0)).c_str());

  const auto forward = [&](const std::vector<Var>& in) { return std::vector<Var>{block.forward(in[0], runs)}; };
  const GradcheckReport report = gradcheck("block", forward, {tokens});
  std::printf("%s", report.text().c_str());
  return report.worst() < 1e-8 ? 0 : 1;
}
