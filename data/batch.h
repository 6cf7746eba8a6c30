#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/runs.h"
#include "tensor/tensor.h"

namespace matmix::data {

/// The label of a target slot that is not in use.
inline constexpr int64_t kIgnore = -100;

/// B rows of L tokens, and which of them are to be told: target k is the true id of token positions[k] of the flat
/// batch. Every row has K / B slots, its own targets first; a slot not in use has label kIgnore and points at the
/// row's first token. On the CPU.
struct Batch {
  Tensor ids;  ///< [B, L] I64; the tokenizer's pad id outside the runs
  Runs runs;
  Tensor positions;     ///< [K] I64, b * L + l
  Tensor labels;        ///< [K] I64
  int64_t tokens = 0;   ///< in runs
  int64_t targets = 0;  ///< labels that are not kIgnore
};

/// A token to be told.
struct Target {
  int64_t position = 0;  ///< in its row (or example)
  int32_t label = 0;     ///< its true id
  friend bool operator==(const Target&, const Target&) = default;
};

/// One row of a batch: sequences end to end from the left; what is left of L is padding.
struct Row {
  std::vector<int32_t> ids;
  std::vector<int64_t> run_lengths;  ///< of the sequences; their sum is ids.size()
  std::vector<Target> targets;
};

/// What all rows of a data set have in common; shapes follow from it and the number of rows alone.
struct RowForm {
  int64_t L = 0;
  int64_t targets = 0;     ///< slots
  int32_t vocab_size = 0;  ///< ids and labels are in [0, vocab_size)
  int32_t pad = 0;
};

/// The rows stacked. Error if one does not fit the form.
Batch make_batch(std::span<const Row> rows, const RowForm& form);

/// Rows to learn from, without end, and rows to judge by. A row is a pure function of the data set and its index, so
/// batches are equal however they are asked for: step s of a run with G rows a step learns from rows
/// [s G, (s + 1) G), and rank r of R takes the r-th part of them. Immutable, so that threads may share it.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual RowForm form() const = 0;
  virtual int64_t heldout_rows() const = 0;
  /// The mean loss in nats over all held-out targets of the best guess that does not look at the row: chance, or the
  /// distribution of single tokens.
  virtual double context_free_loss() const = 0;
  /// A hash of what the rows are made from: runs with equal digests saw the same data.
  virtual uint64_t digest() const = 0;

  /// Rows [first, first + count) of the endless sequence; count > 0.
  Batch train(int64_t first, int64_t count) const;
  /// Rows [first, first + count) of the held-out part, which are the same at every call; those beyond its end are all
  /// padding, so that every batch has one shape.
  Batch heldout(int64_t first, int64_t count) const;

 private:
  virtual Row train_row(int64_t index) const = 0;
  virtual Row heldout_row(int64_t index) const = 0;
};

}  // namespace matmix::data
