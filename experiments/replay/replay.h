#pragma once

#include <string>
#include <vector>

#include "tensor/math_mode.h"
#include "tensor/safetensors.h"

namespace matmix::experiments {

/// How far one tensor is from the reference: ||ours - theirs|| / ||theirs||, absolute where theirs is 0.
struct ReplayError {
  std::string tensor;  ///< "output", "input_grad", "grad.<the reference's parameter name>"
  double error = 0;
};

/// Rebuilds the block of the reference implementation that a file holds (metadata: kind, data_dependent, sizes;
/// tensors: input, output, output_grad, input_grad, param.<name>, grad.<name>), runs it forward and backward, compares.
/// Error, one sentence, for a kind that is not built yet, metadata or tensors that are missing or do not fit.
std::vector<ReplayError> replay(const TensorFile& file, MathMode mode, Device device);

/// What is allowed to any tensor: 1e-10 in F64, 1e-4 in F32. Error for the other modes, which promise nothing here.
double replay_tolerance(MathMode mode);

}  // namespace matmix::experiments
