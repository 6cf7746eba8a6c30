#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <string>

#include <sys/wait.h>

#include "tensor/file.h"
#include "tests/support/temp_dir.h"

using matmix::testing::TempDir;

namespace {

struct Outcome {
  int status;
  std::string output;  ///< stdout and stderr
};

Outcome run_program(const std::string& arguments) {
  Outcome outcome{-1, ""};
  std::FILE* pipe = ::popen((std::string(MATMIX_PROGRAM) + " " + arguments + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer;
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) outcome.output.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) outcome.status = WEXITSTATUS(status);
  return outcome;
}

/// The status is 2 and the output one line: "matmix: <sentence>". A sentence that ends in "..." may go on.
void check_refused(const std::string& arguments, const std::string& sentence) {
  CAPTURE(arguments);
  const Outcome outcome = run_program(arguments);
  const std::string start = "matmix: " + sentence.substr(0, sentence.size() - (sentence.ends_with("...") ? 3 : 0));
  CHECK(outcome.status == 2);
  CHECK(outcome.output.starts_with(start));
  CHECK(outcome.output.find('\n') == (sentence.ends_with("...") ? outcome.output.size() - 1 : start.size()));
}

const std::string kReference = MATMIX_ROOT "/tests/reference/";

}  // namespace

TEST_CASE("status 0: done, and the version says what was built") {
  CHECK(run_program("--help").status == 0);
  CHECK(run_program("replay --help").status == 0);
  const Outcome version = run_program("--version");
  CHECK(version.status == 0);
  CHECK(version.output.starts_with("matmix 0."));
  CHECK(version.output.find("built with buildtype ") != std::string::npos);
  const Outcome replay = run_program("replay " + kReference + "hydra_ngroups1_L24.safetensors");
  CHECK(replay.status == 0);
  CHECK(replay.output.find("grad.in_proj.weight") != std::string::npos);
}

TEST_CASE("status 1: a check failed") {
  const TempDir folder;
  std::string bytes = matmix::read_file(kReference + "hydra_ngroups1_L24.safetensors");
  bytes[bytes.size() - 2] ^= 0x10;  // the last number of the last gradient
  const std::string file = folder.write("bent.safetensors", bytes).string();
  const Outcome outcome = run_program("replay " + file);
  CHECK(outcome.status == 1);
  CHECK(outcome.output.find("FAILED") != std::string::npos);
}

TEST_CASE("status 2: bad usage and bad input, each in one sentence") {
  check_refused("", "A subcommand is required; see matmix --help");
  check_refused("verify --mixer none", "mixer: 'none' is not known; known are: identity, ...");
  check_refused("replay", "file is required; see matmix --help");
  check_refused("bench dance", "what: dance not in {ops,mixers,block,train}; see matmix --help");
  check_refused("list --device tpu", "device: must be cpu, cuda or cuda:N, got 'tpu'");
  check_refused("replay --dtype bf16 x", "replay: --dtype must be f64 or f32, got bf16");
  check_refused("gradcheck --dtype f32", "gradcheck: --dtype must be f64: differences say nothing in lower precision");
  CHECK(run_program("verify --colour").status == 2);
  CHECK(run_program("replay /nowhere.safetensors").status == 2);
  CHECK(run_program("train /nowhere.json").status == 2);
  CHECK(
      run_program("gradcheck --op none").output.starts_with("matmix: gradcheck: op 'none' is not known; known are: "));
}

TEST_CASE("options of the program stand before or after the command") {
  const std::string file = kReference + "quasiseparable_dd.safetensors";
  const Outcome before = run_program("--json --dtype f32 replay " + file),
                after = run_program("replay " + file + " --dtype f32 --json");
  CHECK(before.status == 0);
  CHECK(before.output == after.output);
  CHECK(before.output.starts_with("{\"file\":"));
  CHECK(before.output.find("\"tolerance\":0.0001,\"pass\":true}\n") != std::string::npos);
}

TEST_CASE("list names what is there") {
  const Outcome outcome = run_program("list");
  CHECK(outcome.status == 0);
  for (const char* word : {"quasiseparable", "sequence aligned", "linear", "bert", "recall", "cpu"})
    CHECK(outcome.output.find(word) != std::string::npos);
  CHECK(run_program("list --json").output.starts_with("{\"what\":\"mixer\",\"name\":\"identity\""));
}
