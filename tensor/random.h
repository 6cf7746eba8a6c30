#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "tensor/tensor.h"

namespace matmix {

/// Random bits are a pure function of (seed, stream, step, index): Philox4x32-10 with key = seed and counter =
/// (index / 4, mix64(mix64(stream) + step)), low words first. Nothing depends on call order, threads or device.
/// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
struct RandomKey {
  uint64_t seed = 0;
  uint64_t stream = 0;  ///< what the bits are for: stream_of(module path), a data set, ...
  uint64_t step = 0;
};

/// FNV-1a of a name, for RandomKey::stream.
uint64_t stream_of(std::string_view name);

/// The bijection of 64-bit words that ends SplitMix64 (Steele, Lea, Flood, 2014).
HOST_DEVICE constexpr uint64_t mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// Philox4x32-10: ten rounds over a 128-bit counter with a 64-bit key.
HOST_DEVICE constexpr std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t even = uint64_t{0xd2511f53u} * counter[0], odd = uint64_t{0xcd9e8d57u} * counter[2];
    counter = {static_cast<uint32_t>(odd >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(odd),
               static_cast<uint32_t>(even >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(even)};
    key[0] += 0x9e3779b9u;
    key[1] += 0xbb67ae85u;
  }
  return counter;
}

/// Four 32-bit words of block `block`.
HOST_DEVICE constexpr std::array<uint32_t, 4> philox(const RandomKey& key, uint64_t block) {
  const uint64_t purpose = mix64(mix64(key.stream) + key.step);
  return philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), static_cast<uint32_t>(purpose),
                     static_cast<uint32_t>(purpose >> 32)},
                    {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)});
}
/// Word `index` of the sequence: philox(key, index / 4)[index % 4].
HOST_DEVICE constexpr uint32_t random_bits(const RandomKey& key, uint64_t index) {
  return philox(key, index / 4)[index % 4];
}
/// In [0, 1), 24 bits: the same float on every device.
HOST_DEVICE inline float to_uniform(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

/// Uniform in [low, high) before rounding to x's dtype, element i from random_bits(key, i): the same bits on every
/// device. Floating dtypes, contiguous x.
void random_uniform(const Tensor& x, double low, double high, const RandomKey& key);
/// Normal(mean, stddev) by Box-Muller in double, drawn on the CPU and copied to x's device: elements 2 i and 2 i + 1
/// from philox(key, i). Floating dtypes, any strides.
void random_normal(const Tensor& x, double mean, double stddev, const RandomKey& key);

/// The same bits as a sequence, for host code (data, masking): next() is words 0, 1, 2, ... of the key.
class RandomStream {
 public:
  explicit RandomStream(const RandomKey& key) : key_(key) {}
  uint32_t next();
  /// Two words, the first one high.
  uint64_t next64();
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
  std::array<uint32_t, 4> block_{};  // the four words around index_
};

}  // namespace matmix
