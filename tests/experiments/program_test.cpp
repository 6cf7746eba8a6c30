#include <doctest/doctest.h>

#include <string>

#include "mixers/registry.h"
#include "tensor/create.h"
#include "tensor/file.h"
#include "tensor/npy.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

using namespace matmix::testing;

namespace {

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
  check_refused("show --mixer none", "mixer: 'none' is not known; known are: identity, ...");
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

TEST_CASE("status 2 where stdout cannot be written, whatever the command") {
  const TempDir folder;
  const std::string matrix = folder.write("a.npy", "").string();
  matmix::write_npy(matrix, matmix::eye(3, matmix::DType::F64));
  for (const std::string& words :
       {std::string("list"), std::string("list --json"), std::string("verify --mixer identity"),
        std::string("gradcheck --op relu --json"), std::string("show --mixer dense --length 4"), "analyze " + matrix,
        std::string("--version"), std::string("--help"), std::string("train --help")}) {
    CAPTURE(words);
    const Outcome outcome = run_shell(std::string(MATMIX_PROGRAM) + " " + words + " 2>&1 > /dev/full");
    CHECK(outcome.status == 2);
    CHECK(outcome.output == "matmix: stdout: cannot be written\n");
  }
}

namespace {

const char* const kRecall = R"({"data": {"kind": "recall", "pairs": 2, "queries": 2, "heldout_rows": 8},
    "model": {"d_model": 16, "layers": 1, "mixer": {"state": 4, "headdim": 8}},
    "train": {"batch": 4, "steps": 4, "warmup": 1, "log_every": 1, "evaluate_every": 2, "checkpoint_every": 2}})";

}  // namespace

TEST_CASE("a training goes on though its progress cannot be written") {
  const TempDir folder;
  const std::string train = std::string(MATMIX_PROGRAM) + " train " + folder.write("e.json", kRecall).string() +
                            " --out " + folder.path().string();
  CHECK(run_shell(train + "/full 2> /dev/full").status == 0);
  CHECK(run_shell(train + "/closed 2>&-").status == 0);
  const std::string unread =
      "python3 -c 'import os, subprocess, sys\n"
      "r, w = os.pipe(); os.close(r)\n"
      "sys.exit(subprocess.run(sys.argv[1:], stderr=w).returncode)' ";
  CHECK(run_shell(unread + train + "/unread").status == 0);
  for (const char* run : {"full", "closed", "unread"})
    CHECK(std::filesystem::exists(folder / run / "checkpoints/step_4.safetensors"));
}

TEST_CASE("a crash that cannot be told has its status") {
  const TempDir folder;
  const std::string train = std::string(MATMIX_PROGRAM) + " train " + folder.write("e.json", kRecall).string() +
                            " --set train.lr=1e30 --set train.max_grad_norm=1e30 --set train.warmup=0 --out " +
                            (folder / "run").string();
  CHECK(run_shell(train + " 2> /dev/full").status == 1);
  CHECK(std::filesystem::exists(folder / "run/crash/report.json"));
}

TEST_CASE("where stdin, stdout or stderr is closed no file takes its place") {
  const TempDir folder;
  const std::string page = (folder / "page.html").string(),
                    verify = std::string(MATMIX_PROGRAM) + " verify --mixer identity --html " + page;
  const Outcome closed = run_shell(verify + " 2>&1 >&-");
  CHECK(closed.status == 2);
  CHECK(closed.output == "matmix: stdout: cannot be written\n");
  const std::string written = matmix::read_file(page);
  REQUIRE(run_shell(verify + " > /dev/null").status == 0);
  CHECK(written == matmix::read_file(page));
  const std::string vocab = folder.write("v", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n").string();
  const Outcome nothing = run_shell(std::string(MATMIX_PROGRAM) + " tokenizer encode --vocab " + vocab + " 2>&1 <&-");
  CHECK(nothing.status == 2);
  CHECK(nothing.output == "matmix: file: cannot read 'standard input': Bad file descriptor\n");
}

TEST_CASE("configs, texts and vocabularies are read from pipes too, of any number of readers") {
  const TempDir folder;
  std::string lines;
  for (int i = 0; i < 60; ++i) lines += std::string(static_cast<size_t>(i + 1), 'a') + " b ab ba aab\n";
  const std::string text = folder.write("text", lines).string(), config = folder.write("e.json", kRecall).string(),
                    vocab = folder.write("v", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##a\n##b\n").string();
  const std::string train = "bash -c '" MATMIX_PROGRAM " train <(cat " + config +
                            ") --set data.kind=text --set data.max_len=16 --set data.heldout=0.3 --set data.path=",
                    run = folder.path().string() + "/";
  REQUIRE(run_shell(train + text + " --set data.tokenizer=" + vocab + " --out " + run + "files 2>&1'").status == 0);
  CHECK(run_shell(train + "<(cat " + text + ") --set data.tokenizer=<(cat " + vocab + ") --out " + run + "pipes 2>&1'")
            .status == 0);
  CHECK(matmix::read_file(run + "pipes/metrics.jsonl") == matmix::read_file(run + "files/metrics.jsonl"));
  CHECK(matmix::read_file(run + "pipes/vocab.txt") == matmix::read_file(vocab));
  CHECK(run_shell(MATMIX_PROGRAM " train - --out " + run + "stdin 2>&1 < " + config).status == 0);
  CHECK(run_shell("bash -c '" MATMIX_PROGRAM " replay <(cat " + kReference + "dense_di.safetensors)'").status == 0);
}

TEST_CASE("a folder named with control characters is shown, not obeyed") {
  const TempDir folder;
  const std::string out = (folder / "a\x1b[2J\nb\xe2\x80\xae").string(),
                    config = folder.write("e.json", kRecall).string();
  const Outcome trained = run_program("train " + config + " --out '" + out + "'");
  CHECK(trained.status == 0);
  CHECK(trained.output.find("a\\x1b[2J\\x0ab\\u202e") != std::string::npos);
  const Outcome refused = run_program("evaluate '" + out + "/none'");
  CHECK(refused.status == 2);
  for (const std::string& text : {trained.output, refused.output}) {
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("\xe2\x80\xae") == std::string::npos);
  }
  check_refused("train " + config + " --out " + (folder / "b").string() + " --set name=caf$(printf '\\351')",
                config + ": name must be the name of a folder ...");
}

TEST_CASE("OMP_NUM_THREADS: any text is taken, ignored or bounded") {
  for (const std::string value : {"100000", "99999999999999999999", "4,2", " 3 ", "0", "-3", "abc", "", "2x"}) {
    CAPTURE(value);
    CHECK(run_shell("OMP_NUM_THREADS='" + value + "' " MATMIX_PROGRAM " verify --mixer identity > /dev/null").status ==
          0);
  }
}

TEST_CASE("many more threads than processors are taken with a word") {
  const Outcome outcome = run_program("--threads 4096 list");
  CHECK(outcome.status == 0);
  CHECK(outcome.output.starts_with("matmix: 4096 threads on "));
  CHECK(run_program("--threads 2 list").output.find("threads on") == std::string::npos);
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

TEST_CASE("list names what is there, every mixer as measured") {
  const Outcome outcome = run_program("list");
  CHECK(outcome.status == 0);
  CHECK(outcome.output.find("NOT AS PROMISED") == std::string::npos);
  for (const char* word : {"aligned", "linear", "bert", "recall", "cpu"})
    CHECK(outcome.output.find(word) != std::string::npos);
  const Outcome json = run_program("list --json");
  for (const auto& row : matmix::mixers::registry()) {
    CHECK(outcome.output.find("\n  " + row.name + " ") != std::string::npos);
    CHECK(json.output.find("{\"what\":\"mixer\",\"name\":\"" + row.name + "\"") != std::string::npos);
  }
  const size_t hydra = json.output.find("\"name\":\"quasiseparable\"");
  const std::string line = json.output.substr(hydra, json.output.find('\n', hydra) - hydra);
  CHECK(line.find("\"projected_data_dependent\":true,\"projected_sequence_aligned\":true,"
                  "\"projected_extendable\":true,") != std::string::npos);
  CHECK(line.find("\"table_extendable\":false,\"rank_below\":3,\"promised_rank_below\":3,\"rank_above\":3,"
                  "\"promised_rank_above\":3,") != std::string::npos);
  CHECK(line.ends_with("\"holds\":true}"));
}

TEST_CASE("a run whose text was named by a relative path is found from any folder, and its config is one") {
  const TempDir folder;
  for (const char* name : {"a", "b"}) std::filesystem::create_directory(folder / name);
  folder.write("a/corpus.txt", "one two three two one\nthree two\none three one\ntwo two\n");
  folder.write("a/e.json", R"({"data": {"kind": "text", "path": "corpus.txt", "heldout": 0.5, "max_len": 16},
      "model": {"d_model": 16, "layers": 1, "mixer": {"state": 2, "headdim": 8}}, "train": {"batch": 2, "steps": 2}})");
  folder.write("b/corpus.txt", "of another text\nwith as many lines\nas the first\none has\n");
  const auto in = [&](const char* working, const std::string& arguments) {
    return run_shell("cd " + (folder / working).string() + " && " MATMIX_PROGRAM " " + arguments + " 2>&1");
  };
  const Outcome trained = in("a", "train e.json --out run");
  REQUIRE_MESSAGE(trained.status == 0, trained.output);
  const Outcome here = in("a", "evaluate run"), there = in("b", "evaluate ../a/run");
  CHECK(here.status == 0);
  CHECK_MESSAGE(there.status == 0, there.output);
  CHECK(there.output.substr(there.output.find(':')) == here.output.substr(here.output.find(':')));
  CHECK(in("b", "debug ../a/run --step 1").status == 0);
  // From the file's folder where the working folder has nothing; the same run, wherever its text is.
  CHECK(in(".", "train a/e.json --out a/run --resume").status == 0);
  CHECK(in("b", "train ../a/run/config.json --out again").status == 0);
  CHECK(matmix::read_file(folder / "b/again/metrics.jsonl") == matmix::read_file(folder / "a/run/metrics.jsonl"));
  CHECK(in("b", "train ../a/run/config.json --set name=../b --out worse").status == 2);
}
