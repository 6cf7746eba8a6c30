#include <doctest/doctest.h>

#include "experiments/train/trainer.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::experiments;
using namespace matmix::testing;

namespace {

constexpr const char* kText = "the cat sat on the mat\nthe rat sat\non that hat, that cat\n";

/// A folder with a text and a vocabulary trained on it.
struct Trained {
  TempDir folder;
  std::string text = folder.write("text.txt", kText).string();
  std::string vocab = (folder / "vocab.txt").string();
  Outcome outcome = run_program("tokenizer train --vocab-size 30 --out " + vocab + " " + text);
};

/// A run on word pieces whose vocabulary is the file.
Config on_pieces(const std::string& text, const std::string& vocab) {
  Config c;
  c.data = {.kind = "text", .path = text, .tokenizer = vocab, .max_len = 8, .mask_rate = 0.3, .heldout = 0.4};
  c.model = {.d_model = 16, .layers = 1, .mixer = {.state = 4, .Q = 4, .headdim = 8, .conv_width = 3}};
  c.train = {.batch = 2, .steps = 4};
  return c;
}

}  // namespace

TEST_CASE("a vocabulary is trained, and again the same") {
  const Trained trained, again;
  CHECK(trained.outcome.status == 0);
  CHECK(trained.outcome.output.starts_with(trained.vocab + ": 30 pieces from 3 texts in "));
  const std::string bytes = read_file(trained.vocab);
  CHECK(bytes.starts_with("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n,\na\nc\n"));
  CHECK(bytes == read_file(again.vocab));
}

TEST_CASE("what is encoded line for line is decoded line for line, as ids and as pieces") {
  const Trained trained;
  const std::string with = " --vocab " + trained.vocab;
  for (const std::string pieces : {"", " --pieces"}) {
    const Outcome encoded = run_program("tokenizer encode " + trained.text + with + pieces);
    CHECK(encoded.status == 0);
    const std::string file = trained.folder.write("encoded.txt", encoded.output).string();
    CHECK(run_program("tokenizer decode " + file + with + pieces).output ==
          "the cat sat on the mat\nthe rat sat\non that hat , that cat\n");
  }
  CHECK(run_program("tokenizer encode --pieces" + with + " < " + trained.text).output.starts_with("the c"));
  const std::string one = trained.folder.write("one.txt", "H\xc3\xa4t [MASK]").string();
  CHECK(run_program("tokenizer encode --json " + one + with).output ==
        "{\"text\":\"H\xc3\xa4t [MASK]\",\"ids\":[9,26,4],\"pieces\":\"h ##at [MASK]\",\"words\":[0,0,-1],"
        "\"begins\":[0,1,5],\"ends\":[1,4,11]}\n");
  CHECK(run_program("tokenizer encode --summary " + one + with).output.starts_with("11 bytes, 3 tokens (3.67 bytes"));
}

TEST_CASE("stdin is read from its descriptor, whatever it is, and must be UTF-8") {
  const Trained trained;
  const std::string encode = std::string(MATMIX_PROGRAM) + " tokenizer encode --pieces --vocab " + trained.vocab;
  const std::string socket =
      "python3 -c 'import socket, subprocess, sys\n"
      "a, b = socket.socketpair()\na.sendall(b\"the cat\\n\"); a.close()\n"
      "sys.exit(subprocess.run(sys.argv[1:], stdin=b).returncode)' " +
      encode;
  CHECK(run_shell(socket).output == "the cat\n");
  CHECK(run_shell("echo the cat | " + encode + " -").output == "the cat\n");
  CHECK(run_shell("cat " + trained.vocab + " | " + std::string(MATMIX_PROGRAM) +
                  " tokenizer encode --pieces --vocab - " + trained.folder.write("cat.txt", "the cat\n").string())
            .output == "the cat\n");
  CHECK(run_shell("printf 'the\\ncaf\\351 line\\n' | " + encode + " --json 2>&1").output ==
        "matmix: tokenizer: standard input:2: must be UTF-8, got the byte 0xe9\n");
  const std::string latin = trained.folder.write("latin.txt", "caf\xe9 line\n").string();
  check_refused("tokenizer encode --json --vocab " + trained.vocab + " " + latin,
                "tokenizer: " + latin + ":1: must be UTF-8, got the byte 0xe9");
  check_refused("tokenizer train --vocab-size 60 --out " + (trained.folder / "v").string() + " " + latin,
                "read_text: " + latin + ":1: must be UTF-8, got the byte 0xe9");
}

TEST_CASE("lines that end in carriage returns are lines") {
  const Trained trained;
  const std::string with = " --pieces --vocab " + trained.vocab + " ",
                    text = trained.folder.write("cr.txt", "the cat\rthe\r").string();
  CHECK(run_program("tokenizer encode" + with + text).output == "the cat\nthe\n");
  CHECK(run_program("tokenizer encode" + with + trained.folder.write("crlf.txt", "the\r\ncat\r\n").string()).output ==
        "the\ncat\n");
}

TEST_CASE("what is written to stdout by its name stands before what is printed after it") {
  const Trained trained;
  const std::string out = (trained.folder / "out").string();
  CHECK(run_shell(std::string(MATMIX_PROGRAM) + " tokenizer train --vocab-size 30 " + trained.text +
                  " --out /dev/stdout > " + out)
            .status == 0);
  CHECK(read_file(out).starts_with("[PAD]\n"));
  CHECK(read_file(out).find("\n/dev/stdout: ") != std::string::npos);
}

TEST_CASE("pieces that steer a terminal are shown, not sent") {
  const TempDir folder;
  const std::string vocab =
      folder.write("v.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\x1b]0;owned\x07\nplain\n").string();
  const std::string ids = folder.write("ids", "5 6\n").string();
  CHECK(run_program("tokenizer decode --vocab " + vocab + " " + ids).output == "\\x1b]0;owned\\x07 plain\n");
}

TEST_CASE("a device stays a device, a FIFO is written into") {
  const Trained trained;
  const std::string train =
      std::string(MATMIX_PROGRAM) + " tokenizer train --vocab-size 30 " + trained.text + " --out ";
  CHECK(run_shell(train + "/dev/null").status == 0);
  CHECK(std::filesystem::is_character_file("/dev/null"));
  const std::string fifo = (trained.folder / "fifo").string();
  CHECK(run_shell("mkfifo " + fifo + "; (" + train + fifo + " > /dev/null) & cat " + fifo).output ==
        read_file(trained.vocab));
  CHECK(run_shell(train + "/dev/stdout | head -c 5").output == "[PAD]");
}

TEST_CASE("what a tokenizer cannot read is refused in one sentence") {
  const Trained trained;
  const std::string with = " --vocab " + trained.vocab + " ", folder = trained.folder.path().string();
  const auto refused = [&](const std::string& arguments, const std::string& sentence) {
    check_refused("tokenizer " + arguments, sentence);
  };
  refused("", "A subcommand is required; see matmix --help");
  refused("train " + trained.text, "--out is required; see matmix --help");
  refused("train --vocab-size 9 --out " + folder + "/x " + trained.text, "train_vocabulary: size must be at least ...");
  refused("train --out " + folder + "/x " + folder + "/none", "file: cannot read '...");
  refused("train --out " + folder + "/none/x " + trained.text, "file: cannot write '...");
  refused("encode " + trained.text + " --vocab " + trained.text,
          trained.text + ": WordPiece: a vocabulary must hold [PAD], and this one does not");
  const std::string ids = trained.folder.write("ids.txt", "5 30\n").string();
  refused("decode" + with + ids, "Tokenizer: ids must be in [0, 30), got 30");
  refused("decode --pieces" + with + ids, "tokenizer decode: '5' is not in the vocabulary");
  refused("decode" + with + trained.text,
          "tokenizer decode: ids must be whole numbers, got 'the'; --pieces reads pieces");
}

TEST_CASE("a model is trained on word pieces, and its checkpoint is of this vocabulary alone") {
  const Trained trained;
  Trainer trainer(on_pieces(trained.text, trained.vocab));
  CHECK(trainer.dataset().form().vocab_size == 30);
  trainer.run(0);
  TensorFile state;
  trainer.save(state);
  Trainer(on_pieces(trained.text, trained.vocab)).load(state);

  std::string bytes = read_file(trained.vocab);
  bytes[bytes.find("\n,\n") + 1] = ';';
  const std::string other = trained.folder.write("other.txt", bytes).string();
  CHECK_THROWS_WITH_AS(
      Trainer(on_pieces(trained.text, other)).load(state),
      ("checkpoint: its ids are those of another vocabulary than that of data.tokenizer, " + other).c_str(), Error);
  CHECK_THROWS_WITH_AS(Trainer(on_pieces(trained.text, "letters")),
                       "config: data.tokenizer must be bytes or the path of a vocabulary, got 'letters'", Error);
}
