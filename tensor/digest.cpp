#include "tensor/digest.h"

#include <array>
#include <bit>
#include <cstring>

namespace matmix {
namespace {

constexpr uint64_t kPrime1 = 0x9e3779b185ebca87, kPrime2 = 0xc2b2ae3d27d4eb4f, kPrime3 = 0x165667b19e3779f9,
                   kPrime4 = 0x85ebca77c2b2ae63, kPrime5 = 0x27d4eb2f165667c5;

/// Little-endian, and moves on.
template <class T>
T take(const unsigned char*& at) {
  T x;
  std::memcpy(&x, at, sizeof x);
  at += sizeof x;
  static_assert(std::endian::native == std::endian::little);
  return x;
}

uint64_t round(uint64_t sum, uint64_t lane) { return std::rotl(sum + lane * kPrime2, 31) * kPrime1; }

uint64_t merged(uint64_t hash, uint64_t sum) { return (hash ^ round(0, sum)) * kPrime1 + kPrime4; }

}  // namespace

uint64_t digest_of(const void* bytes, size_t count, uint64_t seed) {
  const auto* at = static_cast<const unsigned char*>(bytes);
  const unsigned char* const end = at + count;
  uint64_t hash = seed + kPrime5;
  if (count >= 32) {
    std::array<uint64_t, 4> sums{seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1};
    while (end - at >= 32)
      for (uint64_t& sum : sums) sum = round(sum, take<uint64_t>(at));
    hash = std::rotl(sums[0], 1) + std::rotl(sums[1], 7) + std::rotl(sums[2], 12) + std::rotl(sums[3], 18);
    for (const uint64_t sum : sums) hash = merged(hash, sum);
  }
  hash += count;
  while (end - at >= 8) hash = std::rotl(hash ^ round(0, take<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  if (end - at >= 4) hash = std::rotl(hash ^ take<uint32_t>(at) * kPrime1, 23) * kPrime2 + kPrime3;
  while (at != end) hash = std::rotl(hash ^ *at++ * kPrime5, 11) * kPrime1;
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

}  // namespace matmix
