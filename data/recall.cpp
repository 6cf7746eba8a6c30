#include "data/recall.h"

#include <cmath>
#include <numeric>

#include "tensor/error.h"

namespace matmix::data {
namespace {

/// `count` different numbers of [0, n), in a random order.
std::vector<int32_t> draw_different(int64_t count, int64_t n, RandomStream& random) {
  std::vector<int32_t> numbers(static_cast<size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  random.shuffle(numbers);
  numbers.resize(static_cast<size_t>(count));
  return numbers;
}

}  // namespace

Recall::Recall(const RecallOptions& options) : options_(options) {
  require(options.pairs > 0, "Recall", "pairs must be positive, got ", options.pairs);
  require(options.queries > 0, "Recall", "queries must be positive, got ", options.queries);
  require(options.keys >= options.pairs, "Recall", "keys must be at least pairs = ", options.pairs, ", got ",
          options.keys);
  require(options.values > 0, "Recall", "values must be positive, got ", options.values);
  constexpr int64_t kMost = int64_t{1} << 30;
  require(options.keys <= kMost && options.values <= kMost, "Recall", "keys and values must be at most ", kMost,
          ", got ", options.keys, " and ", options.values);
  require(options.heldout_rows > 0, "Recall", "heldout_rows must be positive, got ", options.heldout_rows);
}

RowForm Recall::form() const {
  const int32_t mask = static_cast<int32_t>(options_.keys + options_.values);
  return {
      .L = 2 * (options_.pairs + options_.queries), .targets = options_.queries, .vocab_size = mask + 1, .pad = mask};
}

int64_t Recall::heldout_rows() const { return options_.heldout_rows; }

double Recall::context_free_loss() const { return std::log(static_cast<double>(options_.values)); }

uint64_t Recall::digest() const {
  return stream_of(text("recall ", options_.pairs, " ", options_.queries, " ", options_.keys, " ", options_.values, " ",
                        options_.heldout_rows, " ", options_.seed));
}

Row Recall::train_row(int64_t index) const {
  return make_row({options_.seed, stream_of("data/recall/train"), static_cast<uint64_t>(index)});
}

Row Recall::heldout_row(int64_t index) const {
  return make_row({options_.seed, stream_of("data/recall/heldout"), static_cast<uint64_t>(index)});
}

Row Recall::make_row(const RandomKey& key) const {
  RandomStream random(key);
  const int32_t first_value = static_cast<int32_t>(options_.keys);
  const int32_t mask = first_value + static_cast<int32_t>(options_.values);
  const std::vector<int32_t> keys = draw_different(options_.pairs, options_.keys, random);
  Row row;
  for (const int32_t shown : keys) {
    row.ids.push_back(shown);
    row.ids.push_back(first_value + static_cast<int32_t>(random.below(options_.values)));
  }
  for (int64_t i = 0; i < options_.queries; ++i) {
    const size_t pair = static_cast<size_t>(random.below(options_.pairs));
    row.ids.push_back(keys[pair]);
    row.targets.push_back({static_cast<int64_t>(row.ids.size()), row.ids[2 * pair + 1]});
    row.ids.push_back(mask);
  }
  row.run_lengths = {static_cast<int64_t>(row.ids.size())};
  return row;
}

}  // namespace matmix::data
