#pragma once

#include <cstdint>

#include "tensor/random.h"

namespace matmix::data {

/// A permutation of [0, n) that is a pure function of its key; each value is found without the others.
/// A Feistel network permutes [0, 4^h), the smallest that holds n; values are walked along it until one is below n.
/// Source: Black & Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002, section 5 (cycle walking).
class Permutation {
 public:
  Permutation(int64_t n, const RandomKey& key);
  /// i in [0, n).
  int64_t operator()(int64_t i) const;

 private:
  uint64_t encipher(uint64_t value) const;

  int64_t n_;
  RandomKey key_;
  int half_bits_ = 0;
};

}  // namespace matmix::data
