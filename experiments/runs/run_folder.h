#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "experiments/config/config.h"
#include "experiments/runs/checkpoint.h"
#include "experiments/runs/file_lock.h"

namespace matmix::experiments {

/// What a run leaves on disk:
///   config.json       the complete config, with version, commit, compiler and device; written last: with it, it is a run
///   vocab.txt         a copy of the vocabulary that it reads with, if data.tokenizer names one
///   metrics.jsonl     one JSON object per line; a function of the config alone: the same bytes for every repetition
///   timing.jsonl      seconds and tokens/s beside the same steps, line for line
///   checkpoints/step_N.safetensors   the state after N steps: of the last two N (runs/checkpoint.h)
///   lock              empty; locked by the one that trains in the folder, for as long as it lives
/// Killing the program at any moment loses at most the steps since the last checkpoint.
class RunFolder {
 public:
  /// Writes nothing but the lock of a folder that is there. Error if the folder holds a run or its remains and `resume`
  /// is false, a run of another config (which keys, and both values), or one that another process trains.
  RunFolder(std::filesystem::path path, const Config& config, bool resume);

  const std::filesystem::path& path() const { return path_; }
  /// What to train by: config_of_run() where there is a run, else the config given.
  const Config& config() const { return config_; }
  /// Makes the folder a run, if it is none.
  void start();

  /// Appends a line to each file and syncs it to the disk.
  void log(const std::string& metrics_line, const std::string& timing_line);
  /// Writes the state after `step` steps; when it has been read back, checkpoints older than the one before are removed.
  void save_checkpoint(int64_t step, TensorFile state);
  /// find_checkpoint(), with metrics.jsonl and timing.jsonl cut back to where they were then; none: a fresh start. Error
  /// if no checkpoint can be read, or metrics.jsonl is missing or shorter than it was; then nothing was changed.
  std::optional<Checkpoint> resume();
  /// The seconds of the last line that timing.jsonl keeps.
  double seconds() const;

 private:
  void take_lock();
  void require_fresh() const;

  std::filesystem::path path_;
  Config config_;
  int64_t metrics_bytes_ = 0;
  std::unique_ptr<FileLock> lock_;
};

/// The config of a run's folder, wherever that is now: data.tokenizer is its own copy of the vocabulary.
Config config_of_run(const std::filesystem::path& run);

}  // namespace matmix::experiments
