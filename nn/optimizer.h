#pragma once

#include "nn/parameter_store.h"
#include "nn/step_state.h"
#include "ops/adamw/adamw.h"

namespace matmix::nn {

/// Changes the parameters of a store by their gradients; owns what it keeps from step to step, flat, in the store's
/// layout. The store must outlive it.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// One step at state.step and state.lr, queued; writes state.grad_norm and state.clip, masters and shadow. Gradients
  /// stay as they are. Reads nothing on the host, so a graph can record it.
  virtual void step(const StepState& state) = 0;
  /// What it keeps, as tensors and back. Error naming what is missing or misshapen; then nothing was changed.
  virtual void save(TensorFile& file) const = 0;
  virtual void load(const TensorFile& file) = 0;
};

/// AdamW with decoupled weight decay, after clipping the global gradient norm; rate and decay of a parameter are its
/// group's, frozen ones stay as they are. Keeps m and v, "adam.m.<path>" and "adam.v.<path>".
class AdamW final : public Optimizer {
 public:
  struct Options {
    double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
    double weight_decay = 0.01;
    double max_grad_norm = 1;  ///< <= 0: no clipping
  };
  AdamW(const ParameterStore& store, const Options& options);

  void step(const StepState& state) override;
  void save(TensorFile& file) const override;
  void load(const TensorFile& file) override;
  const Tensor& m() const { return m_; }
  const Tensor& v() const { return v_; }

 private:
  const ParameterStore& store_;
  Options options_;
  Tensor m_, v_;
};

}  // namespace matmix::nn
