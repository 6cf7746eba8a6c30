#pragma once

#include "experiments/compare.h"

namespace matmix::testing {

using experiments::relative_error, experiments::same_bits;

}  // namespace matmix::testing
