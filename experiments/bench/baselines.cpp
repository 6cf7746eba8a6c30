#include "experiments/bench/baselines.h"

#include <Eigen/Core>
#include <algorithm>

namespace matmix::experiments {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Array = Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

}  // namespace

void eigen_matmul(const Tensor& a, const Tensor& b, const Tensor& c) {
  const int64_t M = a.dim(-2), K = a.dim(-1), N = b.dim(-1);
  for (int64_t i = 0; i < c.numel() / (M * N); ++i) {
    const Eigen::Map<const Matrix> A(a.data<float>() + i * M * K, M, K), B(b.data<float>() + i * K * N, K, N);
    Eigen::Map<Matrix>(c.data<float>() + i * M * N, M, N).noalias() = A * B;
  }
}

void eigen_conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  const int64_t B = x.dim(0), L = x.dim(1), C = x.dim(2), width = weight.dim(1), left = (width - 1) / 2;
  const Eigen::Map<const Array> w(weight.data<float>(), C, width), b(bias.data<float>(), 1, C);
  const Array taps = w.transpose();  // rows of C, as x has
  for (int64_t row = 0; row < B; ++row) {
    const Eigen::Map<const Array> in(x.data<float>() + row * L * C, L, C);
    Eigen::Map<Array> out(y.data<float>() + row * L * C, L, C);
    for (int64_t i = 0; i < L; ++i) {
      out.row(i) = b;
      for (int64_t k = std::max<int64_t>(0, left - i); k < std::min(width, L + left - i); ++k)
        out.row(i) += in.row(i + k - left) * taps.row(k);
    }
  }
}

}  // namespace matmix::experiments
