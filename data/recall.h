#pragma once

#include <cstdint>

#include "data/batch.h"
#include "tensor/random.h"

namespace matmix::data {

struct RecallOptions {
  int64_t pairs = 4;
  int64_t queries = 4;
  int64_t keys = 64;  ///< at least `pairs`, since the keys of a row differ
  int64_t values = 64;
  int64_t heldout_rows = 512;
  uint64_t seed = 0;
};

/// Associative recall, made on the fly:  k_1 v_1 .. k_n v_n  q_1 [M] .. q_m [M],  each query one of the row's keys, to
/// be told at the [M] after it: that key's value. Keys are ids [0, keys), values [keys, keys + values), then [M]. Rows
/// have L = 2 (pairs + queries) tokens and are full. A guess without context costs log(values); one of the values
/// shown, log(pairs).  Source: the task of Arora et al., "Zoology", 2023, in a form for bidirectional models.
class Recall final : public Dataset {
 public:
  explicit Recall(const RecallOptions& options);

  RowForm form() const override;
  int64_t heldout_rows() const override;
  double context_free_loss() const override;
  uint64_t digest() const override;

 private:
  Row train_row(int64_t index) const override;
  Row heldout_row(int64_t index) const override;
  Row make_row(const RandomKey& key) const;

  RecallOptions options_;
};

}  // namespace matmix::data
