#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tensor/safetensors.h"

namespace matmix::experiments {

/// The state of a run after `step` steps, and how long metrics.jsonl was then. Its file is a .safetensors; metadata:
/// step, metrics_bytes, content_digest (of all else in the file; older files lack it) and what the trainer adds.
struct Checkpoint {
  int64_t step = 0, metrics_bytes = 0;
  TensorFile state;
};

/// Error where the file cannot be read, or its content is not what its digest was made of.
Checkpoint read_checkpoint(const std::filesystem::path& file);
/// Whole or not at all; read back before it counts.
void write_checkpoint(const std::filesystem::path& file, const Checkpoint& checkpoint);

/// How names begin that a checkpoint holds beside the parameters.
extern const std::vector<std::string> kTrainingState;

/// Any state with a content_digest in its metadata, by the same rules.
TensorFile read_state(const std::filesystem::path& file);
void write_state(const std::filesystem::path& file, const TensorFile& state);

/// A whole number in a file's metadata. Error if there is none.
int64_t number_of(const TensorFile& file, const char* key);

/// Where a run keeps the checkpoint after so many steps, and the steps that have one, newest first.
std::filesystem::path checkpoint_path(const std::filesystem::path& run, int64_t step);
std::vector<int64_t> checkpoint_steps(const std::filesystem::path& run);

/// The newest checkpoint in a run's folder; none if there is no such file. Where it cannot be read an older one is
/// taken, and a word on stderr tells which and why. Error naming the newest if none can be read.
std::optional<Checkpoint> find_checkpoint(const std::filesystem::path& run);
/// The same; Error if there is none.
Checkpoint newest_checkpoint(const std::filesystem::path& run);

}  // namespace matmix::experiments
