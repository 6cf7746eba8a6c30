#pragma once

#include <Eigen/Core>

namespace matmix::mixers {

/// One-sided Jacobi: W V for an orthogonal V, its columns orthogonal and in descending order. Their norms are the
/// singular values, their directions the left singular vectors; what is below a unit of the largest is noise.
/// Squares of norms must be within the range of a double: scale by a power of two before, which rounds nothing.
/// Source: Demmel, Veselic, "Jacobi's method is more accurate than QR", 1992.
Eigen::MatrixXd orthogonal_columns(Eigen::MatrixXd W);

}  // namespace matmix::mixers
