#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiments/runs/run_folder.h"
#include "tensor/compare.h"
#include "tensor/random.h"
#include "tests/support/devices.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::experiments;
using namespace matmix::testing;
namespace fs = std::filesystem;

namespace {

constexpr int kKilled = -1;

/// Runs the program with these arguments, and kills it when `file` has grown to `bytes`. Its exit status.
int run_until(std::vector<std::string> arguments, const fs::path& file, uintmax_t bytes) {
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
  while (::waitpid(child, &status, WNOHANG) == 0) {
    std::error_code absent;
    const uintmax_t size = fs::file_size(file, absent);
    if (!absent && size >= bytes) ::kill(child, SIGKILL);
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kKilled;
}

int run(std::vector<std::string> arguments) { return run_until(std::move(arguments), {}, 0); }

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
    const TempDir folder;
    const fs::path config = folder / "config.json";
    write_file_atomically(config, kConfig);
    const fs::path unbroken = folder / "unbroken", broken = folder / "broken", one = folder / "one";
    REQUIRE(run(train(config, unbroken, device, "2")) == 0);
    REQUIRE(run(train(config, one, device, "1")) == 0);
    check_same_run(one, unbroken);

    const fs::path metrics = broken / "metrics.jsonl";
    const uintmax_t whole = fs::file_size(unbroken / "metrics.jsonl");
    RandomStream moments({.seed = static_cast<uint64_t>(::getpid())});
    for (int kills = 0; kills < 4;) {
      const uintmax_t now = fs::exists(metrics) ? fs::file_size(metrics) : 0;
      const uintmax_t moment = now + 1 + static_cast<uintmax_t>(moments.below(static_cast<int64_t>(whole + 1 - now)));
      if (run_until(train(config, broken, device, kills % 2 ? "1" : "2"), metrics, moment) == kKilled)
        ++kills;
      else
        fs::remove_all(broken);  // It ended before the signal came.
    }
    REQUIRE(run(train(config, broken, device, "2")) == 0);
    check_same_run(broken, unbroken);
  }
}

TEST_CASE("a folder with a run is never overwritten") {
  const TempDir folder;
  Config config;
  const fs::path out = folder / "run";
  RunFolder(out, config, false);
  CHECK_FALSE(fs::exists(out));
  RunFolder(out, config, false).start();
  CHECK_THROWS_AS(RunFolder(out, config, false), Error);
  CHECK_NOTHROW(RunFolder(out, config, true));
  config.train.lr *= 2;
  CHECK_THROWS_AS(RunFolder(out, config, true), Error);
  CHECK(to_json(config_of_run(out)) != to_json(config));
  folder.write("run/vocab.txt", "of another run that was killed here before it was one");
  CHECK(config_of_run(out).data.tokenizer == "bytes");
}

TEST_CASE("a damaged checkpoint falls back to an older one, and metrics are cut to it") {
  const TempDir folder;
  const Config config;
  RunFolder run(folder / "run", config, false);
  run.start();
  run.log("{\"step\":1}", "{}");
  run.save_checkpoint(1, {});
  const std::string kept = read_file(folder / "run/checkpoints/step_1.safetensors");
  run.log("{\"step\":2}", "{}");
  run.save_checkpoint(2, {});
  CHECK_FALSE(fs::exists(folder / "run/checkpoints/step_1.safetensors"));
  write_file_atomically(folder / "run/checkpoints/step_1.safetensors", kept);
  write_file_atomically(folder / "run/checkpoints/step_2.safetensors", "half");
  const auto found = RunFolder(folder / "run", config, true).resume();
  REQUIRE(found.has_value());
  CHECK(found->step == 1);
  CHECK(read_file(folder / "run/metrics.jsonl") == "{\"step\":1}\n");
}
