#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace matmix::data {

/// For each row, the sequences in it from the left.
using Packing = std::vector<std::vector<int64_t>>;

/// Sequences of the given lengths put into rows of L tokens by first fit, in the order given: each goes to the oldest
/// of the last kOpenRows rows that has room for it, else to a new one. order[i] indexes lengths.
/// Error if a length is not in [1, L].
Packing pack_rows(std::span<const int64_t> lengths, std::span<const int64_t> order, int64_t L);

inline constexpr size_t kOpenRows = 64;

}  // namespace matmix::data
