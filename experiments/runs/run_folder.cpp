#include "experiments/runs/run_folder.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <unistd.h>

#include "experiments/config/input.h"
#include "experiments/output/provenance.h"

namespace matmix::experiments {
namespace {

namespace fs = std::filesystem;

constexpr const char *kConfig = "config.json", *kVocabulary = "vocab.txt";

bool is_run(const fs::path& run) { return fs::exists(run / kConfig); }

bool names_vocabulary(const DataConfig& c) { return c.kind != "recall" && c.tokenizer != "bytes"; }

/// As it was given.
Config written_config(const fs::path& run) {
  const fs::path path = run / kConfig;
  return parse_config(without_provenance(read_file(path)), path.string());
}

fs::path checkpoint_path(const fs::path& run, int64_t step) {
  return run / "checkpoints" / text("step_", step, ".safetensors");
}

/// Steps that have a checkpoint, newest first.
std::vector<int64_t> checkpoint_steps(const fs::path& run) {
  std::vector<int64_t> steps;
  if (!fs::is_directory(run / "checkpoints")) return steps;
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

void append(const fs::path& path, const std::string& line) {
  std::FILE* file = std::fopen(path.c_str(), "ab");
  require(file != nullptr, path.string(), "cannot be opened for writing");
  const bool ok = std::fputs((line + "\n").c_str(), file) >= 0 && std::fflush(file) == 0 && fsync(fileno(file)) == 0;
  require(std::fclose(file) == 0 && ok, path.string(), "cannot be written");
}

}  // namespace

RunFolder::RunFolder(fs::path path, const Config& config, bool resume) : path_(std::move(path)), config_(config) {
  if (fs::exists(path_ / "metrics.jsonl"))
    metrics_bytes_ = static_cast<int64_t>(fs::file_size(path_ / "metrics.jsonl"));
  if (!is_run(path_)) return;
  require(resume, path_.string(), "holds a run already; pass --resume to go on with it, or another --out");
  require(to_json(written_config(path_)) == to_json(config), path_.string(),
          "holds a run of another config; resume it with the config it has");
  config_ = config_of_run(path_);
}

void RunFolder::start() {
  if (is_run(path_)) return;
  std::error_code error;
  fs::create_directories(path_ / "checkpoints", error);
  require(!error, path_.string(), "cannot be made: ", error.message());
  if (names_vocabulary(config_.data)) write_file_atomically(path_ / kVocabulary, read_input(config_.data.tokenizer));
  write_file_atomically(path_ / kConfig, with_provenance(to_json(config_), config_.train.device));
}

void RunFolder::log(const std::string& metrics_line, const std::string& timing_line) {
  append(path_ / "metrics.jsonl", metrics_line);
  metrics_bytes_ += static_cast<int64_t>(metrics_line.size()) + 1;
  append(path_ / "timing.jsonl", timing_line);
}

void RunFolder::save_checkpoint(int64_t step, TensorFile state) {
  state.metadata["step"] = std::to_string(step);
  state.metadata["metrics_bytes"] = std::to_string(metrics_bytes_);
  const fs::path written = checkpoint_path(path_, step);
  write_safetensors(written, state);
  require(number_of(read_safetensors(written), "step") == step, written.string(),
          "does not read back as it was written");
  for (const int64_t older : checkpoint_steps(path_))
    if (older < step) fs::remove(checkpoint_path(path_, older));
}

std::optional<RunFolder::Checkpoint> RunFolder::resume() {
  std::optional<Checkpoint> found = find_checkpoint(path_);
  truncate_metrics(found ? number_of(found->state, "metrics_bytes") : 0);
  return found;
}

void RunFolder::truncate_metrics(int64_t bytes) {
  const fs::path metrics = path_ / "metrics.jsonl";
  if (!fs::exists(metrics)) return;
  require(static_cast<int64_t>(fs::file_size(metrics)) >= bytes, metrics.string(),
          "is shorter than when the checkpoint was written: ", fs::file_size(metrics), " bytes, expected ", bytes);
  fs::resize_file(metrics, static_cast<uintmax_t>(bytes));
  metrics_bytes_ = bytes;
}

std::optional<RunFolder::Checkpoint> find_checkpoint(const fs::path& run) {
  for (const int64_t step : checkpoint_steps(run)) {
    try {
      TensorFile state = read_safetensors(checkpoint_path(run, step));
      if (number_of(state, "step") == step) return RunFolder::Checkpoint{step, std::move(state)};
    } catch (const Error&) {
      continue;  // damaged: an older one is still there
    }
  }
  return std::nullopt;
}

RunFolder::Checkpoint newest_checkpoint(const fs::path& run) {
  std::optional<RunFolder::Checkpoint> found = find_checkpoint(run);
  require(found.has_value(), run.string(), "has no checkpoint that can be read");
  return std::move(*found);
}

Config config_of_run(const fs::path& run) {
  Config config = written_config(run);
  if (names_vocabulary(config.data) && fs::exists(run / kVocabulary))
    config.data.tokenizer = (run / kVocabulary).string();
  return config;
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

}  // namespace matmix::experiments
