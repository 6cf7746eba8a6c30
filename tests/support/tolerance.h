#pragma once

#include "experiments/tolerance.h"

namespace matmix::testing {

using experiments::kGradcheck, experiments::tolerance;

}  // namespace matmix::testing
