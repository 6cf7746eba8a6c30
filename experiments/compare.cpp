#include "experiments/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/transfer.h"

namespace matmix::experiments {

double relative_error(const Tensor& got, const Tensor& want) {
  if (got.shape() != want.shape()) return INFINITY;
  const std::vector<double> a = to_vector<double>(got), b = to_vector<double>(want);
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) return INFINITY;
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const Tensor x = contiguous(to(a, kCpu)), y = contiguous(to(b, kCpu));
  return x.numel() == 0 || std::memcmp(x.raw(), y.raw(), x.bytes()) == 0;
}

double rounding_tolerance(DType dtype, double n) {
  constexpr double kSlack = 8;
  const double sum = dtype == DType::F64 ? 0x1p-52 : 0x1p-23;
  const double stored = dtype == DType::BF16 ? 0x1p-8 : sum;
  return kSlack * (stored + std::sqrt(std::max(n, 1.0)) * sum);
}

}  // namespace matmix::experiments
