#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiments/run_folder.h"
#include "tensor/random.h"
#include "tests/support/approx.h"
#include "tests/support/devices.h"

using namespace matmix;
using namespace matmix::experiments;
using namespace matmix::testing;
namespace fs = std::filesystem;

namespace {

struct Folder {
  explicit Folder(const std::string& name)
      : path(fs::temp_directory_path() / ("matmix_" + name + "_" + std::to_string(::getpid()))) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

constexpr int kKilled = -1;

/// Runs the program with these arguments and kills it after `milliseconds` unless it has ended. Its exit status.
int run_for(std::vector<std::string> arguments, int64_t milliseconds) {
  arguments.insert(arguments.begin(), MATMIX_PROGRAM);
  std::vector<char*> argv;
  for (std::string& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  for (int64_t waited = 0; ::waitpid(child, &status, WNOHANG) == 0; ++waited) {
    if (waited == milliseconds) ::kill(child, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kKilled;
}

std::vector<std::string> train(const fs::path& config, const fs::path& out, Device device, const char* threads) {
  return {"train",      config.string(), "--out",
          out.string(), "--resume",      "--threads",
          threads,      "--device",      device.is_cuda() ? "cuda" : "cpu"};
}

const char* const kConfig = R"({
  "name": "tiny",
  "data": {"kind": "recall", "pairs": 3, "queries": 3, "keys": 8, "values": 8, "heldout_rows": 16},
  "model": {"d_model": 16, "layers": 2, "dropout": 0.1, "mixer": {"state": 4, "Q": 4, "headdim": 8, "conv_width": 3}},
  "train": {"batch": 16, "steps": 120, "warmup": 5, "log_every": 3, "evaluate_every": 10, "checkpoint_every": 5}
})";

void check_same_run(const fs::path& got, const fs::path& want) {
  CHECK(read_file(got / "metrics.jsonl") == read_file(want / "metrics.jsonl"));
  const TensorFile a = newest_checkpoint(got).state, b = newest_checkpoint(want).state;
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    CHECK(a.tensors[i].first == b.tensors[i].first);
    CHECK_MESSAGE(same_bits(a.tensors[i].second, b.tensors[i].second), a.tensors[i].first);
  }
}

}  // namespace

TEST_CASE("killed at random moments and resumed, a run ends in the same bytes, whatever the threads") {
  for (const Device device : test_devices()) {
    const Folder folder("resume");
    const fs::path config = folder.path / "config.json";
    write_file_atomically(config, kConfig);
    const fs::path unbroken = folder.path / "unbroken", broken = folder.path / "broken", one = folder.path / "one";
    const auto start = std::chrono::steady_clock::now();
    REQUIRE(run_for(train(config, unbroken, device, "2"), 120000) == 0);
    const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
    REQUIRE(run_for(train(config, one, device, "1"), 120000) == 0);
    check_same_run(one, unbroken);

    RandomStream moments({.seed = static_cast<uint64_t>(::getpid())});
    int kills = 0;
    for (int attempt = 0; attempt < 8; ++attempt) {
      // Somewhere in the first nine tenths of a whole run, or later where that was not far enough.
      const int64_t moment = 1 + moments.below(whole.count() * 9 / 10 + attempt * whole.count() / 10);
      if (run_for(train(config, broken, device, attempt % 2 ? "1" : "2"), moment) == 0) break;
      ++kills;
    }
    CHECK(kills > 0);
    REQUIRE(run_for(train(config, broken, device, "2"), 120000) == 0);
    check_same_run(broken, unbroken);
  }
}

TEST_CASE("a folder with a run is never overwritten") {
  const Folder folder("folder");
  Config config;
  const fs::path out = folder.path / "run";
  { RunFolder first(out, config, false); }
  CHECK_THROWS_AS(RunFolder(out, config, false), Error);
  CHECK_NOTHROW(RunFolder(out, config, true));
  config.train.lr *= 2;
  CHECK_THROWS_AS(RunFolder(out, config, true), Error);
  CHECK(to_json(config_of_run(out)) != to_json(config));
}

TEST_CASE("a damaged checkpoint falls back to an older one, and metrics are cut to it") {
  const Folder folder("damaged");
  const Config config;
  RunFolder run(folder.path / "run", config, false);
  run.log("{\"step\":1}", "{}");
  run.save_checkpoint(1, {});
  const std::string kept = read_file(folder.path / "run/checkpoints/step_1.safetensors");
  run.log("{\"step\":2}", "{}");
  run.save_checkpoint(2, {});
  CHECK_FALSE(fs::exists(folder.path / "run/checkpoints/step_1.safetensors"));
  write_file_atomically(folder.path / "run/checkpoints/step_1.safetensors", kept);
  write_file_atomically(folder.path / "run/checkpoints/step_2.safetensors", "half");
  const auto found = RunFolder(folder.path / "run", config, true).resume();
  REQUIRE(found.has_value());
  CHECK(found->step == 1);
  CHECK(read_file(folder.path / "run/metrics.jsonl") == "{\"step\":1}\n");
}
