#include "data/packing.h"

#include <algorithm>

#include "tensor/error.h"

namespace matmix::data {

Packing pack_rows(std::span<const int64_t> lengths, std::span<const int64_t> order, int64_t L) {
  Packing rows;
  std::vector<int64_t> room;
  for (const int64_t sequence : order) {
    const int64_t length = lengths[static_cast<size_t>(sequence)];
    require(length > 0 && length <= L, "pack_rows", "lengths must be in [1, ", L, "], got ", length);
    const auto open = room.end() - static_cast<std::ptrdiff_t>(std::min(room.size(), kOpenRows));
    const auto found = std::find_if(open, room.end(), [&](int64_t left) { return left >= length; });
    const size_t row = static_cast<size_t>(found - room.begin());
    if (row == rows.size()) {
      rows.emplace_back();
      room.push_back(L);
    }
    rows[row].push_back(sequence);
    room[row] -= length;
  }
  return rows;
}

}  // namespace matmix::data
