#pragma once

#include <string>

#include "experiments/report/matrix_grid.h"

namespace matmix::experiments {

/// An SVG file of all matrices, layers below each other, heads beside each other: a rectangle for each stretch of one
/// colour in a row, the tokens at the outer axes, a bar of the colours.
std::string to_svg(const MatrixGrid& grid);

}  // namespace matmix::experiments
