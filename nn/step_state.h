#pragma once

#include "tensor/tensor.h"

namespace matmix::nn {

/// Everything that changes from step to step, as data on the device that kernels read by pointer: nothing in forward,
/// backward or the optimiser depends on a host value, so a whole step can be captured once and replayed.
class StepState {
 public:
  explicit StepState(Device device);
  /// Queued before the step's kernels; `targets` is how many targets count over all ranks (0 gives scale 0).
  void set(int64_t step, double lr, int64_t targets) const;

  Tensor step;          ///< I64 [1], from 0; also the counter of dropout's random bits
  Tensor lr;            ///< F64 [1]
  Tensor target_scale;  ///< F64 [1]: 1 / targets
  Tensor grad_norm;     ///< F64 [1], written by the optimiser
  Tensor clip;          ///< F64 [1], the factor that clipping found
};

}  // namespace matmix::nn
