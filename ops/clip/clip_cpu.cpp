#include <algorithm>
#include <vector>

#include "ops/clip/clip_kernels.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

constexpr int kLanes = 16;  // interleaved partial sums, so that the loop vectorises
constexpr int64_t kTile = 16384;

template <class T>
double sum_of_squares(const T* x, int64_t n) {
  double lane[kLanes] = {}, sum = 0;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; ++k) lane[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  for (; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (const double part : lane) sum += part;
  return sum;
}

template <class T>
double norm_of(const T* x, int64_t n) {
  std::vector<double> parts(static_cast<size_t>((n + kTile - 1) / kTile));
  parallel_for(static_cast<int64_t>(parts.size()), n, [&](int64_t tile) {
    parts[static_cast<size_t>(tile)] = sum_of_squares(x + tile * kTile, std::min(kTile, n - tile * kTile));
  });
  double sum = 0;
  for (const double part : parts) sum += part;
  return std::sqrt(sum);
}

}  // namespace

void clip_factor(const Tensor& grad, double max_norm, const Tensor& norm, const Tensor& factor) {
  const int64_t n = grad.numel();
  const double found = grad.dtype() == DType::F64 ? norm_of(grad.data<double>(), n) : norm_of(grad.data<float>(), n);
  *norm.data<double>() = found;
  *factor.data<double>() = clip_factor_of(found, max_norm);
}

}  // namespace matmix::cpu
