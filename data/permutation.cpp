#include "data/permutation.h"

#include "tensor/error.h"

namespace matmix::data {

Permutation::Permutation(int64_t n, const RandomKey& key) : n_(n), key_(key) {
  require(n > 0 && n <= int64_t{1} << 62, "Permutation", "n must be in [1, 2^62], got ", n);
  while (int64_t{1} << (2 * half_bits_) < n) ++half_bits_;
}

int64_t Permutation::operator()(int64_t i) const {
  require(i >= 0 && i < n_, "Permutation", "index must be in [0, ", n_, "), got ", i);
  uint64_t value = static_cast<uint64_t>(i);
  do value = encipher(value);
  while (value >= static_cast<uint64_t>(n_));
  return static_cast<int64_t>(value);
}

uint64_t Permutation::encipher(uint64_t value) const {
  constexpr uint64_t kRounds = 6;
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = value >> half_bits_, right = value & mask;
  for (uint64_t round = 0; round < kRounds; ++round) {
    const uint64_t mixed = left ^ (philox(key_, round << 32 | right)[0] & mask);
    left = right;
    right = mixed;
  }
  return left << half_bits_ | right;
}

}  // namespace matmix::data
