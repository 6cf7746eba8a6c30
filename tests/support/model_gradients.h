#pragma once

#include <functional>
#include <string>

#include "autograd/backward.h"
#include "autograd/gradcheck.h"
#include "autograd/node.h"
#include "nn/parameter_store.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::testing {

/// gradcheck of a whole model, whose arguments are all parameters of its store (F64). `result` runs the model at the
/// values that the store holds, which are put back at the end. A deep function bends more than an op, so the default
/// step is shorter: its fourth power is what the formula errs by.
inline GradcheckReport check_parameters(const std::string& model, const nn::ParameterStore& store,
                                        const std::function<Var()>& result, GradcheckOptions options = {.step = 1e-4}) {
  const auto part = [&](const Tensor& flat, size_t i) { return nn::ParameterStore::part(flat, store.entries()[i]); };
  std::vector<Tensor> values;
  for (size_t i = 0; i < store.entries().size(); ++i) {
    options.names.push_back(store.entries()[i].path);
    values.push_back(clone(part(store.master(), i)));
  }
  const auto run = [&](const std::vector<Var>& x) {
    for (size_t i = 0; i < x.size(); ++i) copy(part(store.master(), i), x[i].value());
    const Var y = result();
    return std::vector{record("model", x, clone(y.value()), [&, y](Backward& b) {
      store.zero_grad();
      backward(y, {.seed = b.dy()});
      for (size_t i = 0; i < values.size(); ++i) b.give(static_cast<int>(i), clone(part(store.grad(), i)));
    })};
  };
  const GradcheckReport report = gradcheck(model, run, values, options);
  for (size_t i = 0; i < values.size(); ++i) copy(part(store.master(), i), values[i]);
  return report;
}

}  // namespace matmix::testing
