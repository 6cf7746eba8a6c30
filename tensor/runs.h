#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace matmix {

/// One maximal stretch of consecutive tokens of one row that belong together.
struct Run {
  int64_t row = 0, start = 0, length = 0;
  friend bool operator==(const Run&, const Run&) = default;
};

/// "(row, start, length)".
std::string to_string(const Run& run);

/// Which tokens of a [B, L] batch belong together: contiguous, disjoint runs; tokens in no run are padding. Made once
/// a batch on the host, immutable, cheap to copy; every layer and the convolution share it.
class Runs {
 public:
  /// One run a row: no padding, static shape, what CUDA graphs need.
  static Runs full(int64_t B, int64_t L);
  /// Any padding side, any packing; runs are sorted by (row, start). Error if one is empty, leaves the batch or
  /// overlaps.
  static Runs of(int64_t B, int64_t L, std::vector<Run> runs);
  /// Row b holds tokens [0, lengths[b]) and then padding; a length of 0 is a row of padding.
  static Runs of_lengths(int64_t L, const std::vector<int64_t>& lengths);

  int64_t B() const;
  int64_t L() const;
  /// True if every row is one run of L tokens.
  bool is_full() const;
  const std::vector<Run>& all() const;
  /// Tokens in runs.
  int64_t tokens() const;

  /// [B, L] I32: which run each token is in, -1 at padding. Made on first use for each device, then kept.
  Tensor id(Device device) const;
  /// [B, L] I32: tokens since the start of its run, 0 at padding (id() tells padding).
  Tensor position(Device device) const;
  /// [B, L] Bool: whether a token is in a run. Kept like id().
  Tensor mask(Device device) const;
  /// The runs cut into chunks of at most Q tokens, no chunk across two runs: [chunks, 5] I64 rows
  /// (row, start, length, first chunk of its run, one past the last chunk of its run). Kept like id().
  Tensor chunks(int64_t Q, Device device) const;

 private:
  struct State;
  explicit Runs(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace matmix
