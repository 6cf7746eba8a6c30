#include "nn/schedule.h"

#include <algorithm>

namespace matmix::nn {

double WarmupLinear::operator()(int64_t step) const {
  if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double span = static_cast<double>(std::max<int64_t>(total - warmup, 1));
  const double done = std::min(1.0, static_cast<double>(step - warmup) / span);
  return peak * (1 - done * (1 - final_fraction));
}

}  // namespace matmix::nn
