#include "mixers/laws/matrices.h"

#include "tensor/transfer.h"

namespace matmix::mixers::laws {

std::vector<Matrix> matrices_of(const Tensor& M) {
  const std::vector<double> values = to_vector<double>(M);
  const int64_t L = M.dim(-1), size = L * L;
  std::vector<Matrix> all;
  for (int64_t at = 0; size > 0 && at < static_cast<int64_t>(values.size()); at += size)
    all.push_back(Eigen::Map<const Eigen::Matrix<double, -1, -1, Eigen::RowMajor>>(values.data() + at, L, L));
  return all;
}

Subject small_subject(const Setting& setting, int64_t max_len) {
  return Subject(setting, {.state = 3, .groups = 2, .qk_dim = 3, .max_len = max_len, .Q = 8});
}

double distance_up_to_factor(const Eigen::VectorXd& a, const Eigen::VectorXd& b) {
  if (a.norm() == 0) return b.norm();
  return (b - a.dot(b) / a.squaredNorm() * a).norm() / a.norm();
}

}  // namespace matmix::mixers::laws
