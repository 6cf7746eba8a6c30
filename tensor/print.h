#pragma once

#include <string>

#include "tensor/tensor.h"

namespace matmix {

struct PrintOptions {
  int precision = 4;         ///< digits after the point at most
  int64_t threshold = 1000;  ///< more elements than this are elided: the first and last `edge` of each axis are shown
  int64_t edge = 3;
  int64_t width = 100;  ///< rows are wrapped at so many columns
};

/// The values of x in nested brackets, like NumPy: one format and one width for all, "..." for what is elided. Waits
/// for x's device. to_string(x) has dtype, shape and device.
std::string print(const Tensor& x, const PrintOptions& options = {});

}  // namespace matmix
