// SIGKILL at every moment of a write: what was there before is there, or what was to be written, and nothing between.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tensor/file.h"
#include "tensor/npy.h"
#include "tensor/safetensors.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::testing;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

[[noreturn]] void become_traced(const Words& words) {
  std::vector<char*> argv{const_cast<char*>(MATMIX_PROGRAM)};
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const int null = ::open("/dev/null", O_WRONLY);
  ::dup2(null, STDOUT_FILENO);
  ::dup2(null, STDERR_FILENO);
  ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);  // it traces the program itself
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(126);
  ::raise(SIGSTOP);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

/// The call to the system that a stopped program is about to make; -1 after one.
long call_of(pid_t child) {
  __ptrace_syscall_info info{};
  ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
  return info.op == PTRACE_SYSCALL_INFO_ENTRY ? static_cast<long>(info.entry.nr) : -1;
}

/// Whether a program that stopped before or after a call to the system is about to change a file by it.
bool changes_a_file(pid_t child) {
  constexpr long kCalls[] = {SYS_openat, SYS_write, SYS_fsync, SYS_close, SYS_rename, SYS_unlink, SYS_mkdir};
  return std::ranges::count(kCalls, call_of(child)) > 0;
}

/// Whether what is to be traced has begun.
using Begun = std::function<bool()>;
Begun once_there(const fs::path& path) {
  return [path] { return fs::exists(path); };
}
/// A temporary file in the folder.
Begun once_writing(const fs::path& folder) {
  return [folder] {
    return std::ranges::any_of(fs::directory_iterator(folder), [](const auto& entry) {
      return entry.path().filename().string().starts_with(".matmix-");
    });
  };
}

/// Runs the program and kills it before its `moment`-th change of a file, counted from when it has begun. False: it
/// ended first. `calls`: the changes until then.
bool killed_at(const Words& words, const Begun& begun, int moment, std::vector<long>* calls = nullptr) {
  const pid_t child = ::fork();
  if (child == 0) become_traced(words);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE_MESSAGE(WIFSTOPPED(status), "the system lets no program be traced");
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  for (int signal = 0, changes = 0;;) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, signal);
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status)) return false;
    const bool call = WSTOPSIG(status) == (SIGTRAP | 0x80);
    signal = call || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    if (!call || !changes_a_file(child) || (changes == 0 && !begun())) continue;
    if (calls != nullptr) calls->push_back(call_of(child));
    if (++changes < moment) continue;
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, &status, 0) == child);
    return true;
  }
}

/// Kills it at every `stride`-th moment there is; how many there were.
int kill_everywhere(const Words& words, const Begun& begun, int stride, const std::function<void()>& before,
                    const std::function<void()>& after) {
  int kills = 0;
  for (bool killed = true; killed; kills += killed) {
    before();
    killed = killed_at(words, begun, 1 + kills * stride);
    after();
  }
  return kills;
}

bool ends_well(const Words& words) {
  std::string line;
  for (const std::string& word : words) line += " '" + word + "'";
  return run_program(line).status == 0;
}

/// A file that one command writes, over an old one.
void check_old_or_new(const Words& words, const fs::path& file) {
  REQUIRE(ends_well(words));
  const Begun begun = once_writing(file.parent_path());
  const std::string whole = read_file(file), old = "the old one";
  const auto restore = [&] {
    for (const auto& entry : fs::directory_iterator(file.parent_path()))
      if (entry.path().filename().string().starts_with(".matmix-")) fs::remove(entry.path());
    write_file_atomically(file, old);
  };
  std::set<std::string> seen;
  const int kills = kill_everywhere(words, begun, 1, restore, [&] { seen.insert(read_file(file)); });
  CHECK(kills >= 4);  // writing, syncing, renaming, syncing the folder
  CHECK(seen == std::set{old, whole});

  // Synced before it is renamed: else a power cut can leave the name without the bytes. Then the folder.
  restore();
  std::vector<long> calls;
  CHECK_FALSE(killed_at(words, begun, INT_MAX, &calls));
  const auto renamed = std::ranges::find(calls, SYS_rename);
  REQUIRE(renamed != calls.end());
  const auto last = [](auto begin, auto end, long call) {
    return std::find(std::reverse_iterator(end), std::reverse_iterator(begin), call).base();
  };
  CHECK(last(calls.begin(), renamed, SYS_fsync) > last(calls.begin(), renamed, SYS_write));
  CHECK(std::find(renamed, calls.end(), SYS_fsync) != calls.end());
}

}  // namespace

TEST_CASE("a vocabulary") {
  const TempDir folder;
  const std::string text = folder.write("x", "one two three two one\nthree two\n").string();
  const fs::path vocabulary = folder / "vocab.txt";
  check_old_or_new({"tokenizer", "train", text, "--vocab-size", "30", "--out", vocabulary.string()}, vocabulary);
}

TEST_CASE("a page") {
  const TempDir folder;
  fs::create_directory(folder / "run");
  folder.write("run/config.json", "{}");
  folder.write("run/metrics.jsonl",
               "{\"step\":0,\"parameters\":1,\"data_digest\":\"0\",\"context_free_loss\":1}\n"
               "{\"step\":1,\"tokens\":1,\"loss\":1}\n{\"step\":2,\"tokens\":2,\"loss\":1}\n");
  folder.write("run/timing.jsonl", "");
  const fs::path page = folder / "page.html";
  check_old_or_new({"compare", (folder / "run").string(), "--html", page.string()}, page);
}

TEST_CASE("pictures and matrices") {
  const TempDir folder;
  const fs::path out = folder / "pictures";
  const Words show{"show", "--mixer", "dense", "--length", "4", "--out", out.string()};
  const int kills = kill_everywhere(
      show, once_there(out), 3, [&] { fs::remove_all(out); },
      [&] {
        if (!fs::exists(out)) return;
        for (const auto& entry : fs::directory_iterator(out)) {
          if (entry.path().extension() == ".png") CHECK(read_file(entry.path()).ends_with("IEND\xae\x42\x60\x82"));
          if (entry.path().extension() == ".npy") CHECK(read_npy(entry.path()).numel() == 16);
        }
      });
  CHECK(kills >= 4);
}

namespace {

/// A run on word pieces, of three steps.
struct Trained {
  TempDir folder;
  Words words;

  explicit Trained(const std::string& lr) {
    folder.write("x", "one two three two one\nthree two\none three one\ntwo two three\n");
    folder.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\none\ntwo\nthree\n");
    folder.write("config", R"({"data": {"kind": "text", "path": ")" + (folder / "x").string() +
                               R"(", "heldout": 0.5, "max_len": 16, "tokenizer": ")" + (folder / "vocab.txt").string() +
                               R"("},
      "model": {"d_model": 16, "layers": 1, "mixer": {"state": 2, "headdim": 8}},
      "train": {"batch": 2, "steps": 3, "warmup": 0, "lr": )" +
                               lr + R"(, "log_every": 1, "evaluate_every": 2, "checkpoint_every": 1}})");
    words = {"train", (folder / "config").string(), "--resume", "--threads", "1", "--out", run().string()};
  }
  fs::path run() const { return folder / "run"; }
};

}  // namespace

TEST_CASE("a run goes on from wherever it was killed, and ends in the same bytes") {
  const Trained t("1e-3");
  const auto bytes = [&] {
    return read_file(t.run() / "metrics.jsonl") + read_file(t.run() / "checkpoints/step_3.safetensors") +
           read_file(t.run() / "vocab.txt");
  };
  REQUIRE(ends_well(t.words));
  const std::string unbroken = bytes();
  const int kills = kill_everywhere(
      t.words, once_there(t.run()), 17, [&] { fs::remove_all(t.run()); },
      [&] {
        CHECK(ends_well(t.words));
        CHECK(bytes() == unbroken);
      });
  CHECK(kills >= 3);
}

TEST_CASE("where a crash has a state, it has everything that belongs to it") {
  const Trained t("1e30");
  const fs::path crash = t.run() / "crash";
  int whole = 0;
  const int kills = kill_everywhere(
      t.words, once_there(crash), 5, [&] { fs::remove_all(t.run()); },
      [&] {
        if (!fs::exists(crash / "state.safetensors")) return;
        ++whole;
        CHECK(read_safetensors(crash / "state.safetensors").metadata.contains("step"));
        CHECK(read_safetensors(crash / "batch.safetensors").tensors.size() == 4);
        CHECK(read_file(crash / "report.json").ends_with("}\n"));
      });
  CHECK(kills >= 3);
  CHECK(whole >= 1);
  CHECK(whole <= kills);
}
