#include "ops/cases.h"

#include "tensor/create.h"
#include "tensor/random.h"

namespace matmix {

std::string OpCase::name() const { return variant.empty() ? op : text(op, " (", variant, ")"); }

std::vector<Tensor> OpCase::draw() const {
  std::vector<Tensor> values;
  for (const OpArgument& argument : arguments) {
    const Tensor x = empty(argument.shape, DType::F64);
    random_uniform(x, argument.low, argument.high, {.stream = stream_of(name()), .step = values.size()});
    values.push_back(x);
  }
  return values;
}

std::vector<OpCase> op_cases() {
  std::vector<OpCase> all;
  for (const auto& rows : {dropout_cases(), elementwise_cases(), layout_cases(), reduce_cases(), scan_cases()})
    all.insert(all.end(), rows.begin(), rows.end());
  return all;
}

}  // namespace matmix
