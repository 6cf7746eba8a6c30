#include "tests/support/devices.h"

#include <cstdio>

namespace matmix::testing {

std::vector<Device> test_devices() {
  static const bool has_gpu = [] {
    const bool found = cuda_device_count() > 0;
    if (!found) std::puts("no GPU here: CUDA cases are skipped");
    return found;
  }();
  if (has_gpu) return {kCpu, cuda_device()};
  return {kCpu};
}

}  // namespace matmix::testing
