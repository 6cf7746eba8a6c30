#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "experiments/config/config.h"

namespace matmix::experiments {

/// A loss after so many steps, in nats a target.
struct LossPoint {
  int64_t step = 0;
  double loss = 0;
};

/// What a run's folder tells of it.
struct RunSummary {
  std::filesystem::path path;
  Config config;
  int64_t parameters = 0, steps = 0;
  int64_t tokens = 0;       ///< learned from
  std::string data_digest;  ///< equal digests: the same data, the same held-out targets
  double context_free_loss = 0;
  double tokens_per_second = 0;  ///< by the clock, held-out figures and checkpoints included
  std::vector<LossPoint> training, heldout;
  std::optional<double> accuracy, bits_per_byte;  ///< of the last held-out figures; no bytes: data that is no text

  std::optional<double> heldout_loss() const;
};

/// Reads config.json, metrics.jsonl and timing.jsonl; the checkpoint is not opened. Error "FILE:LINE: ..." for what a
/// run does not write.
RunSummary read_run(const std::filesystem::path& run);

/// Error naming the first two runs that learned from other data or another number of tokens.
void require_comparable(const std::vector<RunSummary>& runs);

/// A header and a line a run: losses, bits per byte, accuracy, tokens/s, parameters, tokens.
std::vector<std::vector<std::string>> comparison_table(const std::vector<RunSummary>& runs);

}  // namespace matmix::experiments
