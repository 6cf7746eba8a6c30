#include "data/batch.h"

#include <algorithm>
#include <numeric>

#include "tensor/create.h"

namespace matmix::data {
namespace {

void check_row(const Row& row, const RowForm& form) {
  const int64_t length = static_cast<int64_t>(row.ids.size());
  const int64_t targets = static_cast<int64_t>(row.targets.size());
  const int64_t in_runs = std::accumulate(row.run_lengths.begin(), row.run_lengths.end(), int64_t{0});
  require(length <= form.L, "make_batch", "a row must have at most ", form.L, " tokens, got ", length);
  require(in_runs == length, "make_batch", "run_lengths must add up to the row's ", length, " tokens, got ", in_runs);
  require(targets <= form.targets, "make_batch", "a row must have at most ", form.targets, " targets, got ", targets);
  for (const Target& target : row.targets)
    require(target.position >= 0 && target.position < length, "make_batch", "target positions must be in [0, ", length,
            "), got ", target.position);
}

template <class MakeRow>
Batch collect(const RowForm& form, int64_t first, int64_t count, std::string_view where, MakeRow&& make_row) {
  require(first >= 0, where, "first must not be negative, got ", first);
  require(count > 0, where, "count must be positive, got ", count);
  std::vector<Row> rows;
  for (int64_t i = 0; i < count; ++i) rows.push_back(make_row(first + i));
  return make_batch(rows, form);
}

}  // namespace

Batch make_batch(std::span<const Row> rows, const RowForm& form) {
  const int64_t B = static_cast<int64_t>(rows.size()), L = form.L;
  std::vector<int64_t> ids(static_cast<size_t>(B * L), form.pad), positions, labels;
  std::vector<Run> runs;
  int64_t tokens = 0, targets = 0;
  for (int64_t b = 0; b < B; ++b) {
    const Row& row = rows[static_cast<size_t>(b)];
    check_row(row, form);
    std::copy(row.ids.begin(), row.ids.end(), ids.begin() + b * L);
    int64_t start = 0;
    for (const int64_t length : row.run_lengths) {
      runs.push_back({b, start, length});
      start += length;
    }
    for (const Target& target : row.targets) {
      positions.push_back(b * L + target.position);
      labels.push_back(target.label);
    }
    positions.resize(static_cast<size_t>((b + 1) * form.targets), b * L);
    labels.resize(positions.size(), kIgnore);
    tokens += start;
    targets += static_cast<int64_t>(row.targets.size());
  }
  return {.ids = from_vector(ids, Shape{B, L}),
          .runs = Runs::of(B, L, std::move(runs)),
          .positions = from_vector(positions),
          .labels = from_vector(labels),
          .tokens = tokens,
          .targets = targets};
}

Batch Dataset::train(int64_t first, int64_t count) const {
  return collect(form(), first, count, "train", [&](int64_t i) { return train_row(i); });
}

Batch Dataset::heldout(int64_t first, int64_t count) const {
  const int64_t size = heldout_rows();
  return collect(form(), first, count, "heldout", [&](int64_t i) { return i < size ? heldout_row(i) : Row{}; });
}

}  // namespace matmix::data
