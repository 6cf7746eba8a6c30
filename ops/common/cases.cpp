#include "ops/common/cases.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "tensor/create.h"
#include "tensor/random.h"

namespace matmix {

namespace {

/// The same order of sizes, at equal distances; `place` in [0, 1) keeps the arguments of one case apart.
void spread(const Tensor& x, double low, double high, double place) {
  double* values = x.data<double>();
  std::vector<double> sorted(values, values + x.numel());
  std::ranges::sort(sorted);
  for (double& v : std::span(values, sorted.size())) {
    const auto rank = static_cast<double>(std::ranges::lower_bound(sorted, v) - sorted.begin());
    v = low + (high - low) * (rank + place) / static_cast<double>(sorted.size());
  }
}

}  // namespace

std::string OpCase::name() const { return variant.empty() ? op : text(op, " (", variant, ")"); }

std::vector<Tensor> OpCase::draw() const {
  std::vector<Tensor> values;
  for (const OpArgument& argument : arguments) {
    const Tensor x = empty(argument.shape, DType::F64);
    random_uniform(x, argument.low, argument.high, {.stream = stream_of(name()), .step = values.size()});
    if (argument.is_spread) spread(x, argument.low, argument.high, std::fmod(0.382 * (values.size() + 1.0), 1.0));
    values.push_back(x);
  }
  return values;
}

std::vector<OpCase> op_cases() {
  std::vector<OpCase> all;
  for (const auto& rows :
       {attention_cases(),   cauchy_cases(),     conv1d_cases(),  cross_entropy_cases(), dropout_cases(),
        elementwise_cases(), embedding_cases(),  fft_cases(),     gather_cases(),        layout_cases(),
        linear_cases(),      low_rank_cases(),   matmul_cases(),  norm_cases(),          quasiseparable_cases(),
        reduce_cases(),      scan_cases(),       softmax_cases(), ssd_cases(),           toeplitz_cases(),
        topk_cases(),        vandermonde_cases()})
    all.insert(all.end(), rows.begin(), rows.end());
  return all;
}

}  // namespace matmix
