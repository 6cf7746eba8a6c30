#pragma once

#include "data/batch.h"
#include "tensor/compare.h"

namespace matmix::testing {

inline bool same_batch(const data::Batch& a, const data::Batch& b) {
  return same_bits(a.ids, b.ids) && same_bits(a.positions, b.positions) && same_bits(a.labels, b.labels) &&
         a.runs.all() == b.runs.all() && a.tokens == b.tokens && a.targets == b.targets;
}

/// Rows [first, first + count) asked for one by one are those of one batch: what lets ranks share a batch.
inline bool is_made_of_rows(const data::Dataset& dataset, int64_t first, int64_t count) {
  const data::Batch whole = dataset.train(first, count);
  const int64_t L = dataset.form().L, slots = dataset.form().targets;
  for (int64_t b = 0; b < count; ++b) {
    const data::Batch row = dataset.train(first + b, 1);
    if (!same_bits(row.ids, whole.ids.narrow(0, b, 1))) return false;
    if (!same_bits(row.labels, whole.labels.narrow(0, b * slots, slots))) return false;
    for (int64_t k = 0; k < slots; ++k)
      if (row.positions.data<int64_t>()[k] + b * L != whole.positions.data<int64_t>()[b * slots + k]) return false;
  }
  return true;
}

}  // namespace matmix::testing
