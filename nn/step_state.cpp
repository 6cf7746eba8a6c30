#include "nn/step_state.h"

#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::nn {

StepState::StepState(Device device)
    : step(zeros({1}, DType::I64, device)),
      lr(zeros({1}, DType::F64, device)),
      target_scale(zeros({1}, DType::F64, device)),
      grad_norm(zeros({1}, DType::F64, device)),
      clip(full({1}, 1, DType::F64, device)) {}

void StepState::set(int64_t now, double rate, int64_t targets) const {
  copy(step, from_vector<int64_t>({now}));
  copy(lr, from_vector<double>({rate}));
  copy(target_scale, from_vector<double>({targets > 0 ? 1.0 / static_cast<double>(targets) : 0.0}));
}

}  // namespace matmix::nn
