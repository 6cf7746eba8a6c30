#include "tensor/random.h"

#include <cmath>
#include <numbers>

#include "tensor/create.h"
#include "tensor/parallel.h"
#include "tensor/random_kernels.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

__extension__ using uint128 = unsigned __int128;

uint64_t joined(uint32_t high, uint32_t low) { return uint64_t{high} << 32 | low; }
double unit_of(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

/// Normals 2 i and 2 i + 1: a point with uniform angle and exponential half squared radius.
std::pair<double, double> normal_pair(const RandomKey& key, uint64_t i) {
  const auto words = philox(key, i);
  const double u = 1 - unit_of(joined(words[0], words[1]));  // in (0, 1]
  const double angle = 2 * std::numbers::pi * unit_of(joined(words[2], words[3]));
  const double radius = std::sqrt(-2 * std::log(u));
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

void check(const Tensor& x, std::string_view where) {
  require(is_floating(x.dtype()), where, "dtype must be F64, F32 or BF16, got ", x.dtype());
}

}  // namespace

uint64_t stream_of(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

void random_uniform(const Tensor& x, double low, double high, const RandomKey& key) {
  check(x, "random_uniform");
  require(low <= high, "random_uniform", "low must not exceed high, got [", low, ", ", high, ")");
  require(x.is_contiguous(), "random_uniform", "x must be contiguous, got strides ", x.strides(), " for ", x);
  if (x.numel() == 0) return;
  kRandomUniform(x.device(), x, low, high, key);
  x.bump_version();
}

void random_normal(const Tensor& x, double mean, double stddev, const RandomKey& key) {
  check(x, "random_normal");
  require(stddev >= 0, "random_normal", "stddev must not be negative, got ", stddev);
  constexpr int64_t kTile = 1024, kFlopsEach = 64;
  const Tensor drawn = empty(x.shape(), DType::F64);
  const int64_t n = x.numel();
  double* out = drawn.data<double>();
  parallel_for((n + kTile - 1) / kTile, n * kFlopsEach, [&](int64_t tile) {
    for (int64_t i = tile * kTile; i < std::min(n, (tile + 1) * kTile); i += 2) {
      const auto [first, second] = normal_pair(key, static_cast<uint64_t>(i / 2));
      out[i] = mean + stddev * first;
      if (i + 1 < n) out[i + 1] = mean + stddev * second;
    }
  });
  copy(x, drawn);
}

uint32_t RandomStream::next() {
  if (index_ % 4 == 0) block_ = philox(key_, index_ / 4);
  return block_[index_++ % 4];
}

uint64_t RandomStream::next64() {
  const uint32_t high = next();
  return joined(high, next());
}

double RandomStream::uniform() { return unit_of(next64()); }

/// Lemire, "Fast random integer generation in an interval", 2019.
int64_t RandomStream::below(int64_t n) {
  require(n > 0, "below", "n must be positive, got ", n);
  const auto size = static_cast<uint64_t>(n);
  const uint64_t uneven = -size % size;  // 2^64 mod n: so many low products would make some results likelier
  while (true) {
    const auto product = static_cast<uint128>(next64()) * size;
    if (static_cast<uint64_t>(product) >= uneven) return static_cast<int64_t>(product >> 64);
  }
}

}  // namespace matmix
