#pragma once

#include <string>

#include "experiments/report/heat_map.h"

namespace matmix::experiments {

/// The bytes of a PNG file, 8-bit RGB.
std::string encode_png(const Picture& picture);

}  // namespace matmix::experiments
