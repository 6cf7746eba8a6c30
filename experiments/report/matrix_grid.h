#pragma once

#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace matmix::experiments {

/// A model's matrices on one sentence: rows are layers, columns are heads.
struct MatrixGrid {
  std::string name;                 ///< of the model
  std::vector<std::string> tokens;  ///< L of them
  std::vector<Tensor> layers;       ///< [heads, L, L] each, F64 on the CPU
};

/// Its pictures as a part of a page. The pointer over a picture shows the entry below it and its two tokens; pages may
/// hold several.
std::string to_html(const MatrixGrid& grid);

}  // namespace matmix::experiments
