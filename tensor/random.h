#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tensor/tensor.h"

namespace matmix {

/// Random bits are a pure function of (seed, stream, step, index): Philox4x32-10 with key = seed and counter =
/// (index / 4, mix of stream and step). Nothing depends on call order, threads or device.
/// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
struct RandomKey {
  uint64_t seed = 0;
  uint64_t stream = 0;  ///< what the bits are for: stream_of(module path), a data set, ...
  uint64_t step = 0;
};

/// FNV-1a of a name, for RandomKey::stream.
uint64_t stream_of(std::string_view name);

/// Four 32-bit words of block `block`.
HOST_DEVICE std::array<uint32_t, 4> philox(const RandomKey& key, uint64_t block);
/// Word `index` of the sequence: philox(key, index / 4)[index % 4].
HOST_DEVICE uint32_t random_bits(const RandomKey& key, uint64_t index);
/// In [0, 1), 24 bits: the same float on every device.
HOST_DEVICE inline float to_uniform(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

/// Uniform in [low, high), element i from random_bits(key, i). Any device, floating dtypes, contiguous x.
void random_uniform(const Tensor& x, double low, double high, const RandomKey& key);
/// Normal(mean, stddev) by Box-Muller in double, drawn on the CPU and copied to x's device.
void random_normal(const Tensor& x, double mean, double stddev, const RandomKey& key);

/// The same bits as a sequence, for host code (data, masking): next() is words 0, 1, 2, ... of the key.
class RandomStream {
 public:
  explicit RandomStream(const RandomKey& key) : key_(key) {}
  uint32_t next();
  /// In [0, 1) with 53 bits (two words).
  double uniform();
  /// In [0, n), without bias; n > 0.
  int64_t below(int64_t n);
  /// Fisher-Yates.
  template <class T>
  void shuffle(T& items) {
    for (int64_t i = static_cast<int64_t>(items.size()) - 1; i > 0; --i)
      std::swap(items[static_cast<size_t>(i)], items[static_cast<size_t>(below(i + 1))]);
  }

 private:
  RandomKey key_;
  uint64_t index_ = 0;
};

}  // namespace matmix
