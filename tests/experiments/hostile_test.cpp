#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tensor/create.h"
#include "tensor/file.h"
#include "tensor/npy.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

// What comes from outside may be anything. It is refused in one sentence on stderr with exit status 2, and every file
// that was there is still there.
using namespace matmix;
using namespace matmix::testing;
namespace fs = std::filesystem;

namespace {

/// Runs a shell command line; only stderr is kept.
Outcome stderr_of(const std::string& command) { return run_shell("{ " + command + "; } 2>&1 >/dev/null"); }

using Files = std::map<std::string, std::string>;

Files files_in(const fs::path& folder) {
  Files files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    files[entry.path().string()] = entry.is_regular_file() ? read_file(entry.path()) : "";
  return files;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

/// `line` with @ for the folder; `sentence` too, of which "..." may be anything.
void check_refused_in(const TempDir& folder, const std::string& line, const std::string& sentence) {
  const std::string root = folder.path().string();
  const Files before = files_in(folder.path());
  const Outcome outcome = stderr_of(replaced(replaced(line, "matmix ", "timeout 20 " MATMIX_PROGRAM " "), "@", root));
  CAPTURE(line);
  CAPTURE(outcome.output);
  CHECK(outcome.status == 2);
  CHECK(outcome.output.find('\n') == outcome.output.size() - 1);
  size_t at = outcome.output.find("matmix: ") == 0 ? 8 : std::string::npos;
  const std::string want = replaced(sentence, "@", root);
  for (size_t from = 0; from <= want.size() && at != std::string::npos;) {
    const size_t to = std::min(want.find("...", from), want.size());
    const size_t found = outcome.output.find(want.substr(from, to - from), at);
    at = found == std::string::npos || (from == 0 && found != at) ? std::string::npos : found + to - from;
    from = to + 3;
  }
  CHECK_MESSAGE(at != std::string::npos, "expected: " << want);
  const Files after = files_in(folder.path());
  for (const auto& [path, bytes] : before) CHECK_MESSAGE((after.contains(path) && after.at(path) == bytes), path);
  for (const auto& [path, bytes] : after)
    CHECK_MESSAGE((before.contains(path) || !path.ends_with(".tmp")), path << " is left over");
}

struct Row {
  std::string bytes;  ///< of the file @/x
  std::string line;   ///< command line
  std::string sentence;
};

/// A safetensors file with this header.
std::string tensors(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + data;
}

std::string npy(const std::string& header, const std::string& data) {
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header + data;
}

const std::string kSpecial = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
const std::string kReplay = "matmix replay @/x", kTrain = "matmix train @/x --out @/run",
                  kAnalyze = "matmix analyze @/x", kEncode = "matmix tokenizer encode --vocab @/x /dev/null";

}  // namespace

TEST_CASE("hostile configs") {
  const Row rows[] = {
      {"", kTrain, "@/x: line 1 is not JSON: ..."},
      {"{\"name\": \"a\",\n\"train\": {", kTrain, "@/x: line 2 is not JSON: ..."},
      {"{\"train\": {\"lr\": NaN}}", kTrain, "@/x: line 1 is not JSON: ..."},
      {"{\"train\": {\"lr\": 1e999}}", kTrain, "@/x: must not hold numbers beyond the range of a double"},
      {"{\"train\": {\"steps\": 18446744073709551615}}", kTrain,
       "@/x: train.steps must be in [1, 1000000000], got 18446744073709551615"},
      {"{\"train\": {\"steps\": \"many\"}}", kTrain, "@/x: train.steps must be a whole number, got \"many\""},
      {"{\"model\": []}", kTrain, "@/x: model must be an object, got array"},
      {"[1]", kTrain, "@/x: the config must be an object, got array"},
      {"{\"model\": {\"widht\": 3}}", kTrain, "@/x: unknown key model.widht; the nearest known ones are ..."},
      {"{\n\"name\": \"\xff\"}", kTrain, "config: @/x:2: must be UTF-8, got the byte 0xff"},
      {std::string("\xff\xfe{\0}\0", 6), kTrain, "config: @/x:1: must be UTF-8, got a byte order mark of UTF-16"},
      {std::string("{}\0{}", 5), kTrain, "@/x: must not hold a zero byte"},
      {"{\"name\":" + std::string(300'000, '[') + std::string(300'000, ']') + "}", kTrain,
       "@/x: must not be nested deeper than 32 levels"},
      {"{\"base\": \"x\"}", kTrain, "@/x: is its own base"},
      {"{\"base\": \"y\"}", kTrain, "file: cannot read '@/y': No such file or directory"},
      {"{\"base\": 3}", kTrain, "@/x: base must be a string, got 3"},
      {"{\"data\": {\"kind\": \"pictures\"}}", kTrain,
       "@/x: data.kind must be one of glosses, text, recall, got \"pictures\""},
      {"{\"data\": {\"kind\": \"recall\"}, \"model\": {\"d_model\": 1000000000000}}", kTrain, "..."},
      {"{\"data\": {\"kind\": \"recall\"}, \"model\": {\"d_model\": 9223372036854775807}}", kTrain, "..."},
      {"{\"data\": {\"kind\": \"recall\"}, \"model\": {\"mixer\": {\"headdim\": 0}}}", kTrain, "..."},
      {"{}", kTrain + " --set train.lr=-1", "@/x: train.lr must be in [1e-30, 1e+100], got -1"},
      {"{}", kTrain + " --set train.lr=$(printf '\\377')", "@/x: train.lr must be a number, got ..."},
      {"{\"train\": {\"seed\": 1}, \"train\": {}}", kTrain,
       "@/x: must not have a key twice in an object, got \"train\" twice"},
      {"{\"name\": \"../x\"}", kTrain, "@/x: name must be the name of a folder ..., got \"../x\""},
      {"{}", kTrain + " --set train", "--set: must be path=value, got 'train'"},
      {"{}", "matmix train @ --out @/run", "file: cannot read '@': Is a directory"},
      {"{}", "matmix train @/nothing --out @/run", "file: cannot read '@/nothing': No such file or directory"},
  };
  for (const Row& row : rows) {
    const TempDir folder;
    folder.write("x", row.bytes);
    check_refused_in(folder, row.line, row.sentence);
    CHECK_FALSE(fs::exists(folder / "run"));
  }
}

TEST_CASE("numbers that would hang or kill the program") {
  const TempDir folder;
  folder.write("x", R"({"data": {"kind": "recall"}})");
  for (const std::string key : {"data.max_len",
                                "data.pairs",
                                "data.queries",
                                "data.keys",
                                "data.values",
                                "data.heldout_rows",
                                "model.d_model",
                                "model.layers",
                                "model.mlp_width",
                                "model.max_positions",
                                "model.mixer.state",
                                "model.mixer.groups",
                                "model.mixer.qk_dim",
                                "model.mixer.Q",
                                "model.mixer.expand",
                                "model.mixer.headdim",
                                "model.mixer.conv_width",
                                "train.batch",
                                "train.steps",
                                "train.warmup",
                                "train.log_every",
                                "train.evaluate_every",
                                "train.checkpoint_every",
                                "train.evaluate_rows"})
    check_refused_in(folder, kTrain + " --set " + key + "=1000000000000000",
                     "@/x: " + key + " must be in [...], got 1000000000000000");
  const Row rows[] = {
      {"", kTrain + " --set data.seed=-1", "@/x: data.seed must be in [0, ...], got -1"},
      {"", kTrain + " --set data.pairs=1048576 --set data.keys=1048576",
       "@/x: train.batch must be at most 31 for rows of 2097160 tokens, got 32"},
      {"", kTrain + " --threads 1000000000000000", "..."},
      {"", kTrain + " --threads 100000", "--threads: Value 100000 not in range ...; see matmix --help"},
      {"", "matmix tokenizer train @/x --vocab-size 1000000000000000 --out @/vocab.txt",
       "train_vocabulary: size must be at most ..., got 1000000000000000"},
      {"", "matmix predict @ --text a --top 1000000000000000", "..."},
      {"", "matmix show --mixer dense --length 1000000000000000", "..."},
      {"", kTrain + " --set model.d_model=65536 --set model.layers=1024", "allocate: no memory for ..."},
      {"", kTrain + " --set model.max_positions=1048576 --set model.d_model=65536", "allocate: no memory for ..."},
  };
  for (const Row& row : rows) check_refused_in(folder, row.line, row.sentence);
  CHECK_FALSE(fs::exists(folder / "run"));
}

TEST_CASE("what can be known before the first step is refused before the folder is made") {
  const TempDir folder;
  folder.write("x", R"({"data": {"kind": "recall"}})");
  for (const char* set : {"train.beta1=1", "train.beta2=1", "train.eps=0", "train.eps=1e-320", "train.weight_decay=-1",
                          "train.final_fraction=-5", "train.final_fraction=100", "train.max_grad_norm=-1",
                          "train.lr=1e300", "train.lr=1e-320", "model.mixer.norm_eps=-1", "model.mixer.conv_width=2",
                          "model.max_positions=15", "data.heldout=-1", "data.layout=foo", "data.mask_rate=1"})
    check_refused_in(folder, kTrain + " --set " + set,
                     "@/x: " + std::string(set, std::strchr(set, '=')) + " must be ...");
  for (const char* set : {"model.mixer.groups=3", "model.mixer.residual_v=true --set model.mixer.name=concat",
                          "data.keys=3", "train.device=cuda:9999"})
    check_refused_in(folder, kTrain + " --set " + set, "...");
  check_refused_in(
      folder,
      kTrain +
          " --set model.mixer.name=attention --set model.mixer.source=table"
          " --set model.mixer.qk_dim=65536 --set model.d_model=65536 --set model.mixer.expand=64"
          " --set model.mixer.headdim=1 --set model.layers=1024 --set train.batch=1 --set data.pairs=1048576"
          " --set data.queries=1048576 --set data.keys=1048576",
      "parameters: a model must have at most ... of them, got more with ...");
  CHECK_FALSE(fs::exists(folder / "run"));
}

TEST_CASE("words that are no command, and numbers that options may not have") {
  const Row rows[] = {
      {"", "matmix foo", "'foo': is no command of matmix; the nearest are ..., of train, evaluate, ..., list; see ..."},
      {"", "matmix --json trian x", "'trian': is no command of matmix; the nearest are 'train', ..."},
      {"", "matmix --json", "A subcommand is required; see matmix --help"},
      {"", "matmix tokenizer encdoe", "'encdoe': is no command of tokenizer; the nearest are 'encode', ..."},
      {"", "matmix tokenizer", "A subcommand is required; see matmix --help"},
      {"", "matmix list --seed -1", "--seed: Value -1 not in range 0 to 9223372036854775807; see ..."},
      {"", "matmix bench ops --lengths 0", "--lengths: Value 0 not in range 1 to 1048576; see ..."},
      {"", "matmix bench ops --repeats 0", "--repeats: Value 0 not in range 1 to 1000000; see ..."},
      {"", "matmix debug @ --step 0", "--step: Value 0 not in range 1 to 9223372036854775807; see ..."},
      {"", "matmix tokenizer train @/x --out @/v --vocab-size 0", "--vocab-size: Value 0 not in range 1 to ..."},
      {"", "matmix analyze @/x --tolerance 0", "--tolerance: Value 0 not in range (0, 1); see ..."},
      {"", "matmix analyze @/x --tolerance nan", "--tolerance: Value nan not in range (0, 1); see ..."},
      {"", "matmix analyze @/x --tolerance 1e999", "--tolerance: Value 1e999 not in range (0, 1); see ..."},
  };
  for (const Row& row : rows) {
    const TempDir folder;
    folder.write("x", row.bytes);
    check_refused_in(folder, row.line, row.sentence);
  }
}

TEST_CASE("memory that ends") {
  const std::string built = run_program("--version").output;
  for (const char* plain : {"cuda none", "sanitize none"})  // the others take more address space than they use
    if (built.find(plain) == std::string::npos) return;
  const TempDir folder;
  folder.write("x", R"({"data": {"kind": "recall"}, "train": {"steps": 2}})");
  check_refused_in(folder, "ulimit -v 400000; " + kTrain + " --threads 1 --set train.batch=20000",
                   "allocate: no memory for ... bytes on CPU; ... bytes are live in ... blocks");
  folder.write("text", std::string(100'000'000, 'x'));
  check_refused_in(folder, "ulimit -v 150000; matmix tokenizer encode --vocab @/x @/text", "...");
  check_refused_in(folder, "ulimit -v 150000; matmix tokenizer train @/text --out @/vocab.txt",
                   "there is not enough memory");
}

TEST_CASE("hostile tensors and matrices") {
  const std::string a = "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}";
  const std::string one = "{'descr': '<f8', 'fortran_order': False, 'shape': (";
  const Row rows[] = {
      {"", kReplay, "safetensors: '@/x' is too short for a header: 0 bytes"},
      {std::string(7, '\0'), kReplay, "safetensors: '@/x' is too short for a header: 7 bytes"},
      {std::string(8, '\xff'), kReplay, "safetensors: '@/x' has a header of 18446744073709551615 bytes; at most ..."},
      {tensors("{}", "").substr(0, 9), kReplay, "safetensors: '@/x' has a header of 2 bytes, but only 1 follow"},
      {tensors(a + "}", "z"), kReplay,
       "safetensors: '@/x' has data_offsets [0, 2] for tensor 'a'; the data has 1 bytes"},
      {tensors(a + ",\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", "xyz"), kReplay,
       "safetensors: '@/x' has tensor 'b' overlapping the one before it"},
      {tensors("{\"a\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", ""), kReplay,
       "..."},
      {tensors("{\"a\":{\"dtype\":\"F64\",\"shape\":[NaN],\"data_offsets\":[0,8]}}", "12345678"), kReplay,
       "safetensors: '@/x' has a header that is no JSON: ..."},
      {tensors("{\"a\":{\"dtype\":7,\"shape\":[],\"data_offsets\":[0,8]}}", "12345678"), kReplay,
       "safetensors: '@/x' has no dtype for tensor 'a'"},
      {tensors("{\"a\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,2]}}", "12"), kReplay,
       "safetensors: '@/x' has dtype F16 for tensor 'a'; F64, ... are read"},
      {tensors("{\"\xff\":3}", ""), kReplay, "safetensors: '@/x' has a header that is no JSON: ..."},
      {tensors("{\"a\":" + std::string(300'000, '[') + std::string(300'000, ']') + "}", ""), kReplay,
       "safetensors: '@/x' has a header of more than 8 levels"},
      {"", "matmix replay @/nothing", "safetensors: '@/nothing' cannot be read: No such file or directory"},
      {"", "matmix replay @", "safetensors: '@' cannot be read: ..."},
      {"", kAnalyze, "npy: '@/x' is no .npy file"},
      {npy(one + "2, 2), }", "").substr(0, 9), kAnalyze, "npy: '@/x' ends before its header"},
      {npy(one + "2, 2), }", std::string(31, '\0')), kAnalyze, "npy: '@/x' has 31 bytes of data, but is F64 [2, 2]"},
      {npy(one + "4611686018427387904, 4), }", ""), kAnalyze, "..."},
      {npy(one + "99999999999999999999,), }", ""), kAnalyze,
       "npy: the header of '@/x' must have whole numbers in shape, ..."},
      {npy("{'\x1b\n': '|O'}", ""), kAnalyze, "npy: the header of '@/x' has the unknown key ..."},
      {npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }", "12345678"), kAnalyze,
       "npy: '@/x' has dtype '|O'; ..."},
      {npy(one + "1, 1), 'x': 3}", "12345678"), kAnalyze, "npy: the header of '@/x' has the unknown key 'x'"},
      {npy(one + "2, 1), }", std::string(16, '\0')), kAnalyze, "@/x: must hold a square matrix, got F64 [2, 1] on CPU"},
      {npy(one + "1, 1), }", std::string(8, '\xff')), kAnalyze, "@/x: must be finite everywhere, got ...nan at [0, 0]"},
      {"", "matmix analyze @/nothing", "file: cannot read '@/nothing': No such file or directory"},
  };
  for (const Row& row : rows) {
    const TempDir folder;
    folder.write("x", row.bytes);
    check_refused_in(folder, row.line, row.sentence);
  }
}

TEST_CASE("hostile vocabularies and texts") {
  const std::string noun = "00000000 03 n 01 entity 0 000 | that which is\n";
  const std::string glosses = "matmix train @/config --set data.path=@ --out @/run";
  const std::string text = "matmix tokenizer train @/x --out @/vocab.txt";
  const Row rows[] = {
      {"", kEncode, "@/x: WordPiece: a vocabulary must hold [PAD], and this one does not"},
      {kSpecial, kEncode, "@/x: WordPiece: a vocabulary must hold more than the special tokens, and this one does not"},
      {kSpecial + "a\n\nb\n", kEncode, "read_vocabulary: @/x:7: must hold a piece, got an empty line"},
      {kSpecial + "a\na\n", kEncode, "read_vocabulary: @/x:7: pieces must differ, got \"a\" as on line 6"},
      {kSpecial + "\xc3\n", kEncode, "read_vocabulary: @/x:6: must be UTF-8, got the byte 0xc3"},
      {kSpecial + "a\n", "matmix tokenizer decode --vocab @/x @/x",
       "tokenizer decode: ids must be whole numbers, got ..."},
      {kSpecial + "a\n", "echo 6 | matmix tokenizer decode --vocab @/x", "..."},
      {kSpecial + "a\n", "echo 99999999999 | matmix tokenizer decode --vocab @/x", "tokenizer decode: ids must be ..."},
      {"", "matmix tokenizer encode --vocab @/nothing /dev/null",
       "file: cannot read '@/nothing': No such file or directory"},
      {"", text, "read_text: @/x must hold at least one line that is not blank"},
      {"a b c\n", text + " --vocab-size 3", "..."},
      {noun, glosses, "file: cannot read '@/data.noun': No such file or directory"},
      {noun, "cp @/x @/data.noun; " + glosses, "file: cannot read '@/data.verb': No such file or directory"},
      {noun.substr(0, 20), "cp @/x @/data.noun; " + glosses,
       "read_wordnet: @/data.noun:1: the line must end in a newline, got the end of the file"},
      {"", "cp @/x @/data.noun; " + glosses, "read_wordnet: @/data.noun: must hold at least one synset, got none"},
      {"00000000 03 n ff entity 0 000 | that which is\n", "cp @/x @/data.noun; " + glosses,
       "read_wordnet: @/data.noun:1: ..."},
  };
  for (const Row& row : rows) {
    const TempDir folder;
    folder.write("x", row.bytes);
    folder.write("config", "{}");
    check_refused_in(folder, row.line, row.sentence);
  }
}

TEST_CASE("places that cannot be written, and files that may not grow") {
  const TempDir folder;
  folder.write("x", "one two three two one\nthree two\n");
  folder.write("config",
               R"({"data": {"kind": "recall", "pairs": 2, "queries": 2}, "train": {"batch": 2, "steps": 2}})");
  folder.write("vocab.txt", "the old one");
  write_npy(folder / "eye.npy", eye(8, DType::F64));
  const std::string make = "matmix tokenizer train @/x --vocab-size 30 --out ";
  std::vector<Row> rows = {
      {"", make + "/proc/vocab.txt", "file: cannot write '/proc/vocab.txt': ..."},
      {"", make + "@/nowhere/vocab.txt", "file: cannot write '@/nowhere/vocab.txt': No such file or directory"},
      {"", make + "@/x/vocab.txt", "file: cannot write '@/x/vocab.txt': Not a directory"},
      {"", "ulimit -f 0; " + make + "@/vocab.txt", "file: cannot write '@/vocab.txt': File too large"},
      {"", "ulimit -f 0; matmix verify --mixer identity --html @/vocab.txt",
       "file: cannot write '@/vocab.txt': File too large"},
      {"", "matmix train @/config --out @/x/run", "@/x/run: cannot be made: Not a directory"},
      {"", "matmix train @/config --out /proc/run", "/proc/run: cannot be made: ..."},
      {"", "matmix analyze @/eye.npy --out @/x/pictures", "..."},
      {"", "ulimit -f 0; matmix train @/config --out @/run", "file: cannot write '@/run/config.json': File too large"},
  };
  for (const Row& row : rows) check_refused_in(folder, row.line, row.sentence);
}

TEST_CASE("a run outlives a disk that is full, a file that was cut and another vocabulary") {
  const TempDir folder;
  folder.write("x", "one two three two one\nthree two\none three one\ntwo two three\n");
  folder.write("config", R"({"data": {"kind": "text", "path": ")" + (folder / "x").string() + R"(", "heldout": 0.5,
      "max_len": 16, "tokenizer": ")" +
                             (folder / "vocab.txt").string() + R"("},
      "model": {"d_model": 16, "layers": 1, "mixer": {"state": 2, "headdim": 8}},
      "train": {"batch": 2, "steps": 4, "log_every": 1, "evaluate_every": 2, "checkpoint_every": 2}})");
  const std::string vocabulary = kSpecial + "one\ntwo\nthree\n";
  folder.write("vocab.txt", vocabulary);
  const std::string train = "matmix train @/config --out @/run", evaluate = "matmix evaluate @/run";
  const auto works = [&](const std::string& line) {
    const Outcome o =
        stderr_of(replaced(replaced(line, "matmix ", "timeout 20 " MATMIX_PROGRAM " "), "@", folder.path().string()));
    CHECK_MESSAGE(o.status == 0, o.output);
  };

  check_refused_in(folder, "ulimit -f 8; " + train,
                   "file: cannot write '@/run/checkpoints/step_2.safetensors': File too large");
  works(train + " --resume");
  check_refused_in(folder, train, "@/run: holds a run already; ...");
  check_refused_in(folder, train + " --resume --set train.lr=1", "@/run: holds a run of another config; ...");
  check_refused_in(folder, "matmix evaluate @/nothing", "file: cannot read '@/nothing/config.json': No such ...");

  folder.write("run/vocab.txt", kSpecial + "two\none\nthree\n");
  check_refused_in(folder, evaluate,
                   "checkpoint: its ids are those of another vocabulary than that of data.tokenizer, @/run/vocab.txt");
  check_refused_in(folder, train + " --resume", "checkpoint: its ids are those of another vocabulary ...");
  folder.write("run/vocab.txt", kSpecial + "two\n");
  check_refused_in(folder, evaluate, "checkpoint: its ids are those of another vocabulary ...");
  folder.write("run/vocab.txt", "two");
  check_refused_in(folder, evaluate, "@/run/vocab.txt: WordPiece: a vocabulary must hold [PAD], ...");
  folder.write("run/vocab.txt", vocabulary);
  works(evaluate);

  const std::string newest = "@/run/checkpoints/step_4.safetensors", metrics = read_file(folder / "run/metrics.jsonl");
  const std::string state = read_file(folder / "run/checkpoints/step_4.safetensors");
  std::filesystem::remove(folder / "run/checkpoints/step_2.safetensors");
  std::string bent = state;
  bent[state.size() * 2 / 3] ^= 0x40;
  const std::pair<std::string, std::string> damaged[] = {
      {bent, newest + ": is damaged: its content has the digest ..."},
      {replaced(state, "\"step\":\"4\"", "\"step\":\"3\""), newest + ": is damaged: ..."},
      {state.substr(0, state.size() / 2), "safetensors: '" + newest + "' has data_offsets ..."},
      {state.substr(0, 1000), "safetensors: '" + newest + "' ..."},
      {"", "safetensors: '" + newest + "' ..."}};
  for (const auto& [bytes, sentence] : damaged) {
    folder.write("run/checkpoints/step_4.safetensors", bytes);
    check_refused_in(folder, evaluate, sentence);
    check_refused_in(folder, train + " --resume", sentence);
    check_refused_in(folder, "matmix debug @/run --step 4", sentence);
    check_refused_in(folder, "matmix predict @/run --text [MASK]", sentence);
    CHECK(read_file(folder / "run/metrics.jsonl") == metrics);
  }
  folder.write("run/checkpoints/step_4.safetensors", state);
  works(evaluate);
  folder.write("run/config.json", "{\"train\":");
  check_refused_in(folder, evaluate, "@/run/config.json: line 1 is not JSON: ...");
  folder.write("run/config.json", "{\"x\":" + std::string(300'000, '[') + std::string(300'000, ']') + "}");
  check_refused_in(folder, evaluate, "@/run/config.json: ...");
}
