#pragma once

#include <Eigen/Core>
#include <vector>

#include "mixers/laws/fixture.h"

namespace matmix::mixers::laws {

using Matrix = Eigen::MatrixXd;

/// A change smaller than this share is rounding, in F64.
inline constexpr double kChange = 1e-9;

/// The matrices of all heads and rows of a batch M [B, H, L, L], one by one.
std::vector<Matrix> matrices_of(const Tensor& M);
/// A subject small enough for its matrix to be looked at entry by entry.
Subject small_subject(const Setting& setting, int64_t max_len);
/// How far b is from a multiple of a, as a share of a.
double distance_up_to_factor(const Eigen::VectorXd& a, const Eigen::VectorXd& b);

}  // namespace matmix::mixers::laws
