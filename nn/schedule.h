#pragma once

#include <cstdint>

namespace matmix::nn {

/// Learning rate as a function of the step: linear from 0 to `peak` over `warmup` steps, then linear to
/// `final_fraction` * peak at step `total`; constant afterwards. Step s uses the value at s + 1 of warm-up, so that the
/// first step moves.
struct WarmupLinear {
  double peak = 1e-3;
  int64_t warmup = 0, total = 1;
  double final_fraction = 0;

  double operator()(int64_t step) const;
};

}  // namespace matmix::nn
