#include "mixers/jacobi.h"

#include <algorithm>
#include <cmath>

namespace matmix::mixers {
namespace {

using Columns = Eigen::MatrixXd;

/// Turns columns p and q by the angle that makes them orthogonal; false if they are already, or one is below `noise`.
bool turn(Columns& W, Eigen::Index p, Eigen::Index q, double noise) {
  constexpr double kOrthogonal = 0x1p-50;
  const double pp = W.col(p).squaredNorm(), qq = W.col(q).squaredNorm(), pq = W.col(p).dot(W.col(q));
  if (std::min(pp, qq) <= noise * noise || std::abs(pq) <= kOrthogonal * std::sqrt(pp * qq)) return false;
  const double zeta = (qq - pp) / (2 * pq);
  const double t = std::copysign(1, zeta) / (std::abs(zeta) + std::hypot(1, zeta));
  const double cosine = 1 / std::hypot(1, t), sine = t * cosine;
  for (Eigen::Index i = 0; i < W.rows(); ++i) {
    const double x = W(i, p), y = W(i, q);
    W(i, p) = cosine * x - sine * y;
    W(i, q) = sine * x + cosine * y;
  }
  return true;
}

}  // namespace

Columns orthogonal_columns(Columns W) {
  constexpr int kMostSweeps = 60;
  const double noise = 0x1p-52 * W.norm();
  bool turned = true;
  for (int sweep = 0; turned && sweep < kMostSweeps; ++sweep) {
    turned = false;
    for (Eigen::Index p = 0; p + 1 < W.cols(); ++p) {
      Eigen::Index largest = 0;
      W.rightCols(W.cols() - p).colwise().squaredNorm().maxCoeff(&largest);
      W.col(p).swap(W.col(p + largest));
      for (Eigen::Index q = p + 1; q < W.cols(); ++q) turned = turn(W, p, q, noise) || turned;
    }
  }
  return W;
}

}  // namespace matmix::mixers
