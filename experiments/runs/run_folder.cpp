#include "experiments/runs/run_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <system_error>

#include "experiments/config/input.h"
#include "experiments/output/provenance.h"
#include "experiments/runs/json_lines.h"
#include "tensor/file.h"

namespace matmix::experiments {
namespace {

namespace fs = std::filesystem;

constexpr const char *kConfig = "config.json", *kVocabulary = "vocab.txt", *kMetrics = "metrics.jsonl",
                     *kTiming = "timing.jsonl";

bool is_run(const fs::path& run) { return fs::exists(run / kConfig); }

bool names_vocabulary(const DataConfig& c) { return c.kind != "recall" && c.tokenizer != "bytes"; }

/// As it was given.
Config written_config(const fs::path& run) { return read_config(run / kConfig); }

void append(const fs::path& path, const std::string& line) {
  std::FILE* file = std::fopen(path.c_str(), "ab");
  require(file != nullptr, path.string(), "cannot be opened for writing");
  const bool ok = std::fputs((line + "\n").c_str(), file) >= 0 && std::fflush(file) == 0 && fsync(fileno(file)) == 0;
  require(std::fclose(file) == 0 && ok, path.string(), "cannot be written");
}

/// The first `lines` whole lines of a text; all of it if it has fewer.
std::string_view first_lines(std::string_view text, int64_t lines) {
  size_t end = 0;
  for (; lines > 0; --lines) {
    const size_t newline = text.find('\n', end);
    if (newline == std::string_view::npos) break;
    end = newline + 1;
  }
  return text.substr(0, end);
}

/// What a writer that was killed left.
void remove_temporaries(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".tmp") fs::remove(entry.path());
}

}  // namespace

RunFolder::RunFolder(fs::path path, const Config& config, bool resume) : path_(std::move(path)), config_(config) {
  if (!fs::exists(path_)) return;
  take_lock();
  if (!is_run(path_)) {
    require_fresh();
    return;
  }
  require(resume, path_.string(), "holds a run already; pass --resume to go on with it, or another --out");
  std::string apart;
  for (const ConfigDifference& d : differences(written_config(path_), config))
    apart += text(apart.empty() ? "" : "; ", d.key, " is ", d.a, " there, and ", d.b, " here");
  require(apart.empty(), path_.string(), "holds a run of another config; resume it with the config it has: ", apart);
  config_ = config_of_run(path_);
  if (fs::exists(path_ / kMetrics)) metrics_bytes_ = static_cast<int64_t>(fs::file_size(path_ / kMetrics));
}

void RunFolder::require_fresh() const {
  for (const char* file : {kMetrics, kTiming})
    require(!fs::exists(path_ / file), path_.string(), "holds ", file, " of a run, but no ", kConfig,
            "; name another --out, or remove it");
  require(checkpoint_steps(path_).empty(), path_.string(), "holds checkpoints of a run, but no ", kConfig,
          "; name another --out, or remove them");
}

void RunFolder::take_lock() {
  lock_ = std::make_unique<FileLock>(
      path_ / "lock", "is being trained in by another process; wait until it ends, or name another --out");
}

void RunFolder::start() {
  if (lock_ && is_run(path_)) return;
  std::error_code error;
  fs::create_directories(path_ / "checkpoints", error);
  require(!error, path_.string(), "cannot be made: ", error.message());
  if (!lock_) {
    take_lock();
    require(!is_run(path_), path_.string(), "was made a run by another process just now; name another --out");
  }
  if (names_vocabulary(config_.data)) write_file_atomically(path_ / kVocabulary, read_input(config_.data.tokenizer));
  write_file_atomically(path_ / kConfig, with_provenance(to_json(config_), config_.train.device));
}

void RunFolder::log(const std::string& metrics_line, const std::string& timing_line) {
  append(path_ / kMetrics, metrics_line);
  metrics_bytes_ += static_cast<int64_t>(metrics_line.size()) + 1;
  append(path_ / kTiming, timing_line);
}

void RunFolder::save_checkpoint(int64_t step, TensorFile state) {
  write_checkpoint(checkpoint_path(path_, step),
                   {.step = step, .metrics_bytes = metrics_bytes_, .state = std::move(state)});
  constexpr int kKept = 2;
  int kept = 0;
  for (const int64_t there : checkpoint_steps(path_))
    if (there <= step && ++kept > kKept) fs::remove(checkpoint_path(path_, there));
}

std::optional<Checkpoint> RunFolder::resume() {
  std::optional<Checkpoint> found = find_checkpoint(path_);
  const fs::path metrics = path_ / kMetrics, timing = path_ / kTiming;
  metrics_bytes_ = found ? found->metrics_bytes : 0;
  const int64_t there = fs::exists(metrics) ? static_cast<int64_t>(fs::file_size(metrics)) : -1;
  require(metrics_bytes_ == 0 || there >= 0, metrics.string(), "is missing; it had ", metrics_bytes_,
          " bytes when the checkpoint was written");
  require(metrics_bytes_ == 0 || there >= metrics_bytes_, metrics.string(), "has ", there,
          " bytes, fewer than when the checkpoint was written: ", metrics_bytes_);
  remove_temporaries(path_ / "checkpoints");
  if (there >= 0) fs::resize_file(metrics, static_cast<uintmax_t>(metrics_bytes_));
  if (fs::exists(timing)) {
    const std::string kept = there >= 0 ? read_file(metrics) : "", lines = read_file(timing);
    fs::resize_file(timing, first_lines(lines, std::ranges::count(kept, '\n')).size());
  }
  return found;
}

double RunFolder::seconds() const {
  if (!fs::exists(path_ / kTiming)) return 0;
  double seconds = 0;
  for_each_json_line(path_ / kTiming, [&](const JsonObject& line) { seconds = line.number("seconds"); });
  return seconds;
}

Config config_of_run(const fs::path& run) {
  Config config = written_config(run);
  if (names_vocabulary(config.data) && fs::exists(run / kVocabulary))
    config.data.tokenizer = (run / kVocabulary).string();
  return config;
}

}  // namespace matmix::experiments
