#pragma once

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>

#include "experiments/config/config.h"
#include "tensor/safetensors.h"

namespace matmix::experiments {

/// What a run leaves on disk:
///   config.json       the complete config, with version, commit, compiler and device; written last: with it, it is a run
///   vocab.txt         a copy of the vocabulary that it reads with, if data.tokenizer names one
///   metrics.jsonl     one JSON object per line; a function of the config alone: the same bytes for every repetition
///   timing.jsonl      seconds and tokens/s beside the same steps
///   checkpoints/step_N.safetensors   the state after N steps; metadata: step, metrics_bytes
/// Killing the program at any moment loses at most the steps since the last checkpoint.
class RunFolder {
 public:
  /// Writes nothing yet. Error if the folder holds a run and `resume` is false, or a run of another config.
  RunFolder(std::filesystem::path path, const Config& config, bool resume);

  const std::filesystem::path& path() const { return path_; }
  /// What to train by: config_of_run() where there is a run, else the config given.
  const Config& config() const { return config_; }
  /// Makes the folder a run, if it is none.
  void start();

  /// Appends a line to each file and syncs it to the disk.
  void log(const std::string& metrics_line, const std::string& timing_line);
  /// Writes the state after `step` steps; when it has been read back, older checkpoints are removed.
  void save_checkpoint(int64_t step, TensorFile state);
  /// The newest checkpoint that can be read, and cuts metrics.jsonl back to where it was then; none: a fresh start.
  struct Checkpoint {
    int64_t step = 0;
    TensorFile state;
  };
  std::optional<Checkpoint> resume();

 private:
  void truncate_metrics(int64_t bytes);

  std::filesystem::path path_;
  Config config_;
  int64_t metrics_bytes_ = 0;
};

/// The newest readable checkpoint in a run's folder, if there is one; and Error if there is none.
std::optional<RunFolder::Checkpoint> find_checkpoint(const std::filesystem::path& run);
RunFolder::Checkpoint newest_checkpoint(const std::filesystem::path& run);
/// The config of a run's folder, wherever that is now: data.tokenizer is its own copy of the vocabulary.
Config config_of_run(const std::filesystem::path& run);
/// A whole number in a checkpoint's metadata. Error if there is none.
int64_t number_of(const TensorFile& checkpoint, const char* key);

}  // namespace matmix::experiments
