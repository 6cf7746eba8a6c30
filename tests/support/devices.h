#pragma once

#include <vector>

#include "tensor/device.h"

namespace matmix::testing {

/// The CPU, and the first GPU where there is one. Prints once that GPU cases are skipped where there is none.
std::vector<Device> test_devices();

}  // namespace matmix::testing
