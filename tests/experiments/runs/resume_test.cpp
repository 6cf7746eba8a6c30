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
#include "tensor/create.h"
#include "tensor/file.h"
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
  config.model.layers += 1;
  CHECK_THROWS_WITH_AS(RunFolder(out, config, true),
                       (out.string() + ": holds a run of another config; resume it with the config it has: "
                                       "model.layers is 4 there, and 5 here; train.lr is 0.002 there, and 0.004 here")
                           .c_str(),
                       Error);
  CHECK(to_json(config_of_run(out)) != to_json(config));
  folder.write("run/vocab.txt", "of another run that was killed here before it was one");
  CHECK(config_of_run(out).data.tokenizer == "bytes");
}

TEST_CASE("what is left of a run without its config is not built upon") {
  for (const char* rest : {"metrics.jsonl", "timing.jsonl", "checkpoints/step_7.safetensors"}) {
    CAPTURE(rest);
    const TempDir folder;
    fs::create_directories(folder / "run/checkpoints");
    folder.write(std::string("run/") + rest, "{}\n");
    for (const bool resume : {false, true}) CHECK_THROWS_AS(RunFolder(folder / "run", Config(), resume), Error);
    fs::remove(folder / "run" / rest);
    CHECK_NOTHROW(RunFolder(folder / "run", Config(), false));
  }
}

namespace {

/// A run of three lines and checkpoints after steps 1 and 2.
struct Written {
  TempDir folder;
  fs::path path = folder / "run";

  Written() {
    RunFolder run(path, Config(), false);
    run.start();
    for (int64_t step : {0, 1, 2}) {
      run.log(text("{\"step\":", step, "}"), text("{\"step\":", step, ",\"seconds\":", 10 * step, "}"));
      if (step > 0) run.save_checkpoint(step, {});
    }
    run.log("{\"step\":3}", "{\"step\":3,\"seconds\":30}");
  }
  fs::path checkpoint(int step) const { return path / text("checkpoints/step_", step, ".safetensors"); }
};

}  // namespace

TEST_CASE("the last two checkpoints are kept, and newer ones") {
  const Written w;
  RunFolder run(w.path, Config(), true);
  run.save_checkpoint(9, {});
  run.save_checkpoint(3, {});
  for (const auto& [step, kept] : {std::pair{1, false}, {2, true}, {3, true}, {9, true}})
    CHECK_MESSAGE(fs::exists(w.checkpoint(step)) == kept, step);
}

TEST_CASE("both logs are cut back to the checkpoint, line for line, and time goes on") {
  const Written w;
  write_file_atomically(w.checkpoint(3).string() + ".tmp", "of a writer that was killed");
  RunFolder run(w.path, Config(), true);
  CHECK(run.resume()->step == 2);
  CHECK(read_file(w.path / "metrics.jsonl") == "{\"step\":0}\n{\"step\":1}\n{\"step\":2}\n");
  CHECK(read_file(w.path / "timing.jsonl") ==
        "{\"step\":0,\"seconds\":0}\n{\"step\":1,\"seconds\":10}\n{\"step\":2,\"seconds\":20}\n");
  CHECK(run.seconds() == 20);
  CHECK_FALSE(fs::exists(w.checkpoint(3).string() + ".tmp"));
}

TEST_CASE("a damaged checkpoint falls back to an older one; where there is none, nothing is touched") {
  const Written w;
  write_file_atomically(w.checkpoint(2), "half");
  CHECK(RunFolder(w.path, Config(), true).resume()->step == 1);
  CHECK(read_file(w.path / "metrics.jsonl") == "{\"step\":0}\n{\"step\":1}\n");
  const std::string timing = read_file(w.path / "timing.jsonl");
  write_file_atomically(w.checkpoint(1), "half");
  CHECK_THROWS_WITH_AS(RunFolder(w.path, Config(), true).resume(),
                       ("safetensors: '" + w.checkpoint(2).string() + "' is too short for a header: 4 bytes").c_str(),
                       Error);
  CHECK(read_file(w.path / "metrics.jsonl") == "{\"step\":0}\n{\"step\":1}\n");
  CHECK(read_file(w.path / "timing.jsonl") == timing);
}

TEST_CASE("missing or shorter metrics are not gone on from") {
  const Written w;
  const std::string metrics = (w.path / "metrics.jsonl").string();
  fs::resize_file(metrics, 20);
  CHECK_THROWS_WITH_AS(RunFolder(w.path, Config(), true).resume(),
                       (metrics + ": has 20 bytes, fewer than when the checkpoint was written: 33").c_str(), Error);
  fs::remove(metrics);
  CHECK_THROWS_WITH_AS(RunFolder(w.path, Config(), true).resume(),
                       (metrics + ": is missing; it had 33 bytes when the checkpoint was written").c_str(), Error);
}

TEST_CASE("one training at a time: the lock goes with its owner, and readers need none") {
  const TempDir folder;
  const fs::path out = folder / "run";
  const auto first = std::make_unique<RunFolder>(out, Config(), false);
  RunFolder second(out, Config(), false);  // neither has made it yet
  first->start();
  CHECK_THROWS_AS(second.start(), Error);
  CHECK_THROWS_WITH_AS(RunFolder(out, Config(), true),
                       (out.string() + ": is being trained in by another process; wait until it ends, or name another "
                                       "--out")
                           .c_str(),
                       Error);
  CHECK_NOTHROW(config_of_run(out));
}

TEST_CASE("every byte of a checkpoint is covered by its digest") {
  const TempDir folder;
  const fs::path file = folder / "step_5.safetensors";
  TensorFile state;
  state.metadata["vocabulary"] = "7";
  state.tensors = {{"a", full({3}, 1.5, DType::F32)}, {"b", full({2, 2}, -2, DType::F64)}};
  write_checkpoint(file, {.step = 5, .metrics_bytes = 123, .state = state});
  const std::string bytes = read_file(file);
  const Checkpoint want = read_checkpoint(file);
  CHECK(want.metrics_bytes == 123);
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string bent = bytes;
    bent[bit / 8] = static_cast<char>(bent[bit / 8] ^ 1 << bit % 8);
    folder.write("step_5.safetensors", bent);
    try {
      const Checkpoint got = read_checkpoint(file);
      // White space between words of the header, and nothing else.
      CHECK(got.state.metadata == want.state.metadata);
      REQUIRE(got.state.tensors.size() == 2);
      for (size_t i : {0u, 1u}) CHECK(same_bits(got.state.tensors[i].second, want.state.tensors[i].second));
    } catch (const Error&) {
    }
  }
}

namespace {

/// Starts a training of the program and sends it the signal once it has logged something; its exit status.
int signalled(const std::vector<std::string>& arguments, const fs::path& file, int signal) {
  std::string line = "exec " MATMIX_PROGRAM;
  for (const std::string& a : arguments) line += " '" + a + "'";
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGINT, SIG_DFL);
    ::execl("/bin/sh", "sh", "-c", (line + " > /dev/null 2>&1").c_str(), nullptr);
    ::_exit(127);
  }
  std::error_code absent;
  for (int i = 0; i < 20000 && (fs::file_size(file, absent) < 400 || absent); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ::kill(child, signal);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : kKilled;
}

}  // namespace

TEST_CASE("SIGTERM and SIGINT checkpoint and end; resumed, the run has the bytes of an unbroken one") {
  const TempDir folder;
  const fs::path config = folder / "config.json";
  write_file_atomically(config, kConfig);
  const fs::path unbroken = folder / "unbroken";
  REQUIRE(run(train(config, unbroken, kCpu, "1")) == 0);
  for (const auto& [signal, status] : {std::pair{SIGTERM, 143}, {SIGINT, 130}}) {
    const fs::path broken = folder / text("broken", signal);
    std::vector<std::string> words = train(config, broken, kCpu, "1");
    CHECK(signalled(words, broken / "metrics.jsonl", signal) == status);
    const Checkpoint stopped = newest_checkpoint(broken);
    CHECK(stopped.step < 120);
    CHECK(run(words) == 0);
    check_same_run(broken, unbroken);
  }
}
