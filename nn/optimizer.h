#pragma once

#include "nn/parameter_store.h"
#include "nn/step_state.h"
#include "ops/adamw/adamw.h"

namespace matmix::nn {

/// AdamW with decoupled weight decay on the parameters that ask for it, after clipping the global gradient norm.
class AdamW {
 public:
  struct Options {
    double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
    double weight_decay = 0.01;
    double max_grad_norm = 1;  ///< <= 0: no clipping
  };
  AdamW(const ParameterStore& store, const Options& options) : store_(store), options_(options) {}

  /// One step at state.step and state.lr; writes state.grad_norm and state.clip. Gradients stay as they are.
  void step(const StepState& state) const;

 private:
  const ParameterStore& store_;
  Options options_;
};

}  // namespace matmix::nn
