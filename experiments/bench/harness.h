#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace matmix::experiments {

struct Harness {
  Device device;
  int repeats = 7;
  double sample_ms = 20;   ///< a sample repeats its call until it takes this long
  double most_ms = 30000;  ///< slower work gets fewer samples, at least three

  /// Milliseconds a call of each, the median of `repeats` samples. After a warm-up call the samples are taken in turns,
  /// so that drift of the machine meets all alike; each waits for the device before and after.
  std::vector<double> time(const std::vector<std::function<void()>>& calls) const;
  double time(const std::function<void()>& call) const { return time(std::vector{call}).front(); }
  /// Most bytes that tensors held during the call beyond those before it.
  int64_t peak_bytes(const std::function<void()>& call) const;
};

/// What the machine can do, measured now: the yardsticks of a report.
struct MachineLimits {
  double copy_gbs = 0;     ///< a large copy, bytes read + written
  double gemm_tflops = 0;  ///< a large square product in a dtype
};
MachineLimits measure_limits(const Harness& harness, DType dtype);

/// Normal(0, 1) values, the same for every call with these arguments.
Tensor random_values(const Shape& shape, DType dtype, Device device, double scale = 1);

}  // namespace matmix::experiments
