#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tensor/transfer.h"

namespace matmix {

/// ||got - want|| / ||want|| in double, whatever their size; absolute where want is 0; infinity if a value is not finite
/// or the shapes differ.
inline double relative_error(const Tensor& got, const Tensor& want) {
  if (got.shape() != want.shape()) return INFINITY;
  const std::vector<double> a = to_vector<double>(got), b = to_vector<double>(want);
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) return INFINITY;
    largest = std::max(largest, std::fabs(b[i]));
  }
  const double scale = largest > 0 ? std::ldexp(1, std::clamp(-std::ilogb(largest), -1000, 1000)) : 1;
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = a[i] * scale - b[i] * scale, w = b[i] * scale;
    difference += d * d;
    norm += w * w;
  }
  return norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

/// Same shape, dtype and bytes of every element.
inline bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const Tensor x = contiguous(to(a, kCpu)), y = contiguous(to(b, kCpu));
  return x.numel() == 0 || std::memcmp(x.raw(), y.raw(), x.bytes()) == 0;
}

}  // namespace matmix
