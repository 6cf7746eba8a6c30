#include "experiments/runs/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <string_view>

#include "experiments/output/print.h"
#include "tensor/digest.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

namespace fs = std::filesystem;

constexpr const char *kStep = "step", *kMetricsBytes = "metrics_bytes", *kContentDigest = "content_digest";

/// Files of older versions have no digest, and no other metadata than these: else its name was damaged.
void require_older_version(const TensorFile& state, const fs::path& file) {
  constexpr std::array<std::string_view, 4> kOlder{kStep, kMetricsBytes, "vocabulary", "heldout_row"};
  for (const auto& [key, value] : state.metadata)
    require(std::ranges::find(kOlder, key) != kOlder.end(), file.string(), "is damaged: it has '", key,
            "' in its metadata, and no ", kContentDigest);
}

/// Of metadata, names, dtypes, shapes and values, each with its length before it.
std::string content_digest(const TensorFile& file) {
  uint64_t digest = 0;
  const auto add = [&digest](const void* bytes, size_t count) {
    digest = digest_of(&count, sizeof count, digest);
    digest = digest_of(bytes, count, digest);
  };
  for (const auto& [key, value] : file.metadata) {
    if (key == kContentDigest) continue;
    add(key.data(), key.size());
    add(value.data(), value.size());
  }
  for (const auto& [name, x] : file.tensors) {
    const std::string what = text(name, " ", x.dtype(), " ", x.shape());
    add(what.data(), what.size());
    add(x.raw(), x.bytes());
  }
  return fmt::format("{:016x}", digest);
}

}  // namespace

const std::vector<std::string> kTrainingState{"adam.", "trainer."};

TensorFile read_state(const fs::path& file) {
  TensorFile state = read_safetensors(file);
  const auto written = state.metadata.find(kContentDigest);
  if (written == state.metadata.end()) {
    require_older_version(state, file);
    return state;
  }
  const std::string found = content_digest(state);
  require(written->second == found, file.string(), "is damaged: its content has the digest ", found,
          ", and was written with ", written->second);
  return state;
}

void write_state(const fs::path& file, const TensorFile& state) {
  TensorFile host{.tensors = {}, .metadata = state.metadata};
  for (const auto& [name, x] : state.tensors) host.tensors.put(name, contiguous(to(x, kCpu)));
  host.metadata[kContentDigest] = content_digest(host);
  write_safetensors(file, host);
}

Checkpoint read_checkpoint(const fs::path& file) {
  Checkpoint checkpoint{.state = read_state(file)};
  checkpoint.step = number_of(checkpoint.state, kStep);
  checkpoint.metrics_bytes = number_of(checkpoint.state, kMetricsBytes);
  return checkpoint;
}

void write_checkpoint(const fs::path& file, const Checkpoint& checkpoint) {
  TensorFile state = checkpoint.state;
  state.metadata[kStep] = std::to_string(checkpoint.step);
  state.metadata[kMetricsBytes] = std::to_string(checkpoint.metrics_bytes);
  write_state(file, state);
  require(read_checkpoint(file).step == checkpoint.step, file.string(), "does not read back as it was written");
}

int64_t number_of(const TensorFile& file, const char* key) {
  const auto found = file.metadata.find(key);
  require(found != file.metadata.end(), "checkpoint", "has no ", key, " in its metadata");
  const std::string& digits = found->second;
  int64_t value = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  require(error == std::errc() && end == digits.data() + digits.size() && value >= 0, "checkpoint",
          "must have a whole number as ", key, " in its metadata, got '", digits, "'");
  return value;
}

fs::path checkpoint_path(const fs::path& run, int64_t step) {
  return run / "checkpoints" / text("step_", step, ".safetensors");
}

std::vector<int64_t> checkpoint_steps(const fs::path& run) {
  std::vector<int64_t> steps;
  if (!fs::exists(run / "checkpoints")) return steps;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints")) {
    const std::string name = entry.path().filename().string();
    constexpr std::string_view kHead = "step_", kTail = ".safetensors";
    if (!name.starts_with(kHead) || !name.ends_with(kTail)) continue;
    int64_t step = 0;
    const char *begin = name.data() + kHead.size(), *end = name.data() + name.size() - kTail.size();
    if (std::from_chars(begin, end, step).ptr == end) steps.push_back(step);
  }
  std::ranges::sort(steps, std::greater());
  return steps;
}

std::optional<Checkpoint> find_checkpoint(const fs::path& run) {
  std::string refused;
  for (const int64_t step : checkpoint_steps(run)) {
    const fs::path file = checkpoint_path(run, step);
    try {
      Checkpoint found = read_checkpoint(file);
      require(found.step == step, file.string(), "holds the state after ", found.step, " steps, not ", step);
      if (!refused.empty()) print_aside("matmix: {}; taking {} instead\n", refused, file.string());
      return found;
    } catch (const Error& error) {
      const std::string why = error.what(), name = file.string();
      if (refused.empty()) refused = why.find(name) != std::string::npos ? why : text(name, ": ", why);
    }
  }
  if (!refused.empty()) throw Error(refused);
  return std::nullopt;
}

Checkpoint newest_checkpoint(const fs::path& run) {
  std::optional<Checkpoint> found = find_checkpoint(run);
  require(found.has_value(), run.string(), "has no checkpoint");
  return std::move(*found);
}

}  // namespace matmix::experiments
