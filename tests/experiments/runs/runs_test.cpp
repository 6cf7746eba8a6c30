// What looks at trained runs: predict, compare and show --run, through the program.
#include <doctest/doctest.h>

#include <filesystem>
#include <limits>
#include <sstream>

#include "experiments/runs/checkpoint.h"
#include "tensor/create.h"
#include "tensor/file.h"
#include "tensor/safetensors.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

/// A folder with runs of tiny models that learned, almost by heart, which word stands where.
struct Trained {
  TempDir folder;
  std::string vocab = (folder / "vocab.txt").string(), text;

  Trained() {
    std::string lines;
    for (int i = 0; i < 200; ++i) lines += i % 2 ? "the cat eats the rat\n" : "a hat is on the mat\n";
    text = folder.write("text.txt", lines + "the rat is on a mat\n").string();
    run_program("tokenizer train --vocab-size 40 --out " + vocab + " " + text);
  }
  std::string path(const std::string& name) const { return (folder / name).string(); }
  Outcome train(const std::string& name, const std::string& more = "", const std::string& tokenizer = "") const {
    const std::string config = R"({"name": ")" + name + R"(", "data": {"kind": "text", "path": ")" + text +
                               R"(", "tokenizer": ")" + (tokenizer.empty() ? vocab : tokenizer) +
                               R"(", "max_len": 24, "mask_rate": 0.2, "heldout": 0.5},
      "model": {"d_model": 16, "layers": 2, "mixer": {"state": 4, "Q": 4, "headdim": 8, "conv_width": 3}},
      "train": {"batch": 4, "steps": 60, "warmup": 5, "lr": 0.01, "log_every": 10, "evaluate_every": 30}})";
    return run_program("train " + folder.write(name + ".json", config).string() + " --out " + path(name) + " " + more);
  }
};

/// One set of runs for all cases of this file.
const Trained& trained() {
  static const Trained all;
  static const bool done = [] {
    return all.train("hydra").status == 0 && all.train("same", "--set model.mixer.name=identity").status == 0 &&
           all.train("bytes", "", "bytes").status == 0 && all.train("short", "--set train.steps=30").status == 0;
  }();
  REQUIRE(done);
  return all;
}

}  // namespace

TEST_CASE("predict fills each mask with the likeliest pieces, probabilities falling") {
  const Trained& t = trained();
  const std::string predict = "predict " + t.path("hydra") + " --text 'the [MASK] eats the [MASK]'";
  const Outcome filled = run_program(predict);
  CHECK(filled.status == 0);
  CHECK(filled.output.starts_with("the [MASK] eats the [MASK]\n  "));
  CHECK(count(filled.output, "\n") == 3);
  CHECK_FALSE(contains(filled.output.substr(filled.output.find('\n')), "["));

  const Outcome json = run_program(predict + " --json --top 2 --text 'a [MASK]'");
  CHECK(count(json.output, "\n") == 6);
  CHECK(json.output.starts_with("{\"text\":\"the [MASK] eats the [MASK]\",\"mask\":0,\"position\":"));
  double last = 1;
  for (size_t at = 0; (at = json.output.find("\"rank\":", at)) != std::string::npos; ++at) {
    const size_t digits = json.output.find("\"probability\":", at) + 14;
    const double probability = std::stod(json.output.substr(digits));
    CHECK((json.output[at + 7] == '1' || probability <= last));
    CHECK((probability > 0 && probability <= 1));
    last = probability;
  }
  CHECK(run_program(predict).output == filled.output);

  const Outcome bytes = run_program("predict " + t.path("bytes") + " --text 'the c[MASK]t' --json --top 1");
  CHECK(bytes.output.starts_with("{\"text\":\"the c[MASK]t\",\"mask\":0,\"position\":5,\"rank\":1,\"piece\":\""));
}

TEST_CASE("compare tables runs of the same data and tokens") {
  const Trained& t = trained();
  const std::string both = t.path("hydra") + " " + t.path("same");
  const Outcome table = run_program("compare " + both);
  CHECK(table.status == 0);
  CHECK(
      table.output.starts_with("run    mixer           held-out loss  bits/byte  accuracy  tokens/s  parameters  "
                               "tokens\nhydra  quasiseparable "));
  CHECK(contains(table.output, "\nsame   identity "));
  CHECK(contains(table.output, "\nwithout context: "));
  CHECK(count(table.output, "\n") == 4);

  const Outcome json = run_program("compare --json " + both);
  CHECK(count(json.output, "\n") == 2);
  CHECK(json.output.starts_with("{\"run\":\"" + t.path("hydra") +
                                "\",\"name\":\"hydra\",\"mixer\":\"quasiseparable\",\"heldout_loss\":"));
  const std::string evaluated = run_program("evaluate --json " + t.path("hydra")).output;
  for (const char* key :
       {"\"heldout_loss\":", "\"heldout_bits_per_byte\":", "\"heldout_accuracy\":", "\"parameters\":"}) {
    const size_t at = evaluated.find(key);
    REQUIRE(at != std::string::npos);
    CHECK(contains(json.output, evaluated.substr(at, evaluated.find_first_of(",}", at) - at)));
  }

  const std::string other = t.path("hydra") + " " + t.path("bytes");
  check_refused("compare " + other, "compare: " + t.path("bytes") + " learned from other data than " + t.path("hydra") +
                                        "; --anyway compares them all the same");
  check_refused("compare " + t.path("hydra") + " " + t.path("short"),
                "compare: " + t.path("short") + " learned from ...");
  CHECK(run_program("compare --anyway " + other).status == 0);
}

TEST_CASE("compare writes one page that needs nothing else") {
  const Trained& t = trained();
  const std::string html = t.path("page.html");
  const Outcome outcome = run_program("compare " + t.path("hydra") + " " + t.path("same") + " --html " + html +
                                      " --text 'a [MASK] is <here>'");
  CHECK(outcome.status == 0);
  CHECK(outcome.output.ends_with("page in " + html + "\n"));
  const std::string page = read_file(html);
  CHECK(page.starts_with("<!DOCTYPE html>"));
  CHECK(page.ends_with("</html>\n"));
  CHECK(contains(page, "a [MASK] is &lt;here&gt;"));
  CHECK(count(page, "<polyline") == 2 * 2 + 2);  // a curve of each kind a run; the legend
  CHECK(count(page, "<img src=\"data:image/png;base64,iVBORw0KGgo") == 2 * 2 * 4);  // runs, layers, heads
  CHECK(count(page, "data-values=\"") == 2 * 2 * 4);
  CHECK(count(page, "src=") == count(page, "src=\"data:"));
  for (const char* outside : {"href=", "url(", "@import", "https:"}) CHECK_FALSE(contains(page, outside));
}

TEST_CASE("show --run draws every layer and head at a sentence") {
  const Trained& t = trained();
  const std::string show = "show --run " + t.path("hydra") + " --text 'the cat eats'";
  const Outcome drawn = run_program(show);
  CHECK(drawn.status == 0);
  CHECK(drawn.output.starts_with("hydra (quasiseparable), "));
  for (const char* head : {"layer 0 head 0", "layer 0 head 3", "layer 1 head 3"}) CHECK(contains(drawn.output, head));
  CHECK_FALSE(contains(drawn.output, "layer 2"));

  const Outcome json = run_program(show + " --json");
  CHECK(count(json.output, "\n") == 2 * 4);
  CHECK(json.output.starts_with("{\"run\":\"" + t.path("hydra") + "\",\"layer\":0,\"head\":0,\"tokens\":["));

  const std::string out = t.path("pictures"), html = t.path("show.html");
  CHECK(run_program(show + " --out " + out + " --html " + html).status == 0);
  for (const char* name : {"layer_0.png", "layer_1.png", "layer_0.npy", "layer_1.npy"})
    CHECK(std::filesystem::exists(t.folder / "pictures" / name));
  CHECK(count(read_file(html), "data-values=\"") == 2 * 4);
  CHECK(
      contains(run_program("show --run " + t.path("same") + " --text 'the cat' --json").output, "\"order_below\":0,"));
}

TEST_CASE("what a run cannot be asked is refused in one sentence") {
  const Trained& t = trained();
  const std::string hydra = t.path("hydra");
  check_refused("predict " + hydra + " --text cat", "predict: --text must hold a [MASK], got 'cat'");
  check_refused("predict " + hydra, "--text is required; see matmix --help");
  check_refused("predict /nowhere --text '[MASK]'",
                "file: cannot read '/nowhere/config.json': No such file or directory");
  check_refused("show --run " + hydra, "show: --run needs --text, the sentence to draw the matrices at");
  check_refused("show --run " + hydra + " --text ''", "show: --run needs --text, the sentence to draw the matrices at");
  check_refused("show --run " + hydra + " --text ' '", "--text: must hold a token, and this one holds none");
  check_refused("show", "show: needs --mixer, ...");
  check_refused("compare", "run is required; see matmix --help");
  check_refused("compare --verify " + hydra, "compare: --text and --verify are for the page of --html");
  const std::filesystem::path broken = t.folder / "broken";
  std::filesystem::create_directory(broken);
  write_file_atomically(broken / "config.json", read_file(t.folder / "hydra/config.json"));
  const auto with_metrics = [&](const std::string& lines, const std::string& sentence) {
    write_file_atomically(broken / "metrics.jsonl", lines);
    check_refused("compare " + broken.string(), (broken / "metrics.jsonl").string() + sentence);
  };
  with_metrics("", ": has no line that tells the parameters");
  with_metrics("[1]\n", ":1: must be a JSON object, got [1]");
  with_metrics("{\"step\":0}\n{\"step\":1.5}\n", ":2: step must be a whole number");
  check_refused("predict " + broken.string() + " --text '[MASK]'", broken.string() + ": has no checkpoint");
  const std::string first = "{\"step\":0,\"parameters\":9,\"data_digest\":\"0\",\"context_free_loss\":1}\n";
  const auto after_first = [&](const std::string& line, const std::string& sentence) {
    with_metrics(first + line + "\n", ":2: " + sentence);
  };
  after_first("{\"step\":1,\"step\":2}", "must have each key once, got \"step\" twice");
  after_first("{\"step\":-1}", "step must be a whole number, at least 0, got -1");
  after_first("{\"step\":99999999999999999999}", "step must be a whole number");
  after_first("{\"step\":18446744073709551615}", "step must be a whole number, at least 0, got 18446744073709551615");
  after_first("{\"step\":1,\"loss\":1,\"tokens\":-3}", "tokens must be a whole number, at least 0, got -3");
  after_first("{\"step\":1,\"loss\":-1,\"tokens\":3}", "loss must be in [0, 1e+300], got -1");
  after_first("{\"step\":1,\"loss\":1e308,\"tokens\":3}", "loss must be in [0, 1e+300], got 1e+308");
  after_first("{\"step\":1,\"loss\":1,\"tokens\":3,\"accuracy\":17.5}", "accuracy must be in [0, 1], got 17.5");
  after_first("{\"step\":2,\"heldout_loss\":1,\"heldout_accuracy\":-0.5}",
              "heldout_accuracy must be in [0, 1], got -0.5");
  with_metrics(first + "{\"step\":5}\n{\"step\":4}\n", ":3: step must be a whole number, at least 5, got 4");
  with_metrics(first + "{\"step\":5,\"loss\":1,\"tokens\":3}\n{\"step\":5,\"loss\":1,\"tokens\":3}\n",
               ":3: step must be larger than that of the loss before, 5, got 5");
  write_file_atomically(broken / "timing.jsonl", "{\"step\":0,\"seconds\":-1}\n");
  write_file_atomically(broken / "metrics.jsonl", first);
  check_refused("compare " + broken.string(),
                (broken / "timing.jsonl").string() + ":1: seconds must be in [0, 1e+300], got -1");
}

TEST_CASE("a run that diverges stops with status 1 and leaves what shows why") {
  const Trained& t = trained();
  const Outcome stopped = t.train("wild", "--set train.lr=1e30 --set train.warmup=1 --set train.checkpoint_every=1");
  CHECK(stopped.status == 1);
  CHECK(contains(stopped.output,
                 "wild: the loss is not finite up to step 2; looking for the first bad value\nwild: step "));
  CHECK(contains(stopped.output, "; matmix debug " + t.path("wild") + " shows it again"));
  for (const char* name : {"state.safetensors", "batch.safetensors", "report.json"})
    CHECK(std::filesystem::exists(t.folder / "wild/crash" / name));
  const std::string report = read_file(t.folder / "wild/crash/report.json");
  CHECK(report.starts_with("{\"step\":"));
  const std::string step = report.substr(8, report.find(',') - 8);

  const Outcome again = run_program("debug " + t.path("wild"));
  CHECK(again.status == 1);
  CHECK(again.output.starts_with("step " + step + "\nf32: "));
  const size_t bad = report.find("\"first_bad\":\"") + 13;
  CHECK(contains(again.output, "\nf32: " + report.substr(bad, report.find("\",\"stream\"") - bad) + "\n"));
  CHECK(again.output == run_program("debug --step " + step + " " + t.path("wild")).output);

  check_refused("debug --step 61 " + t.path("wild"), "debug: --step must be at most 60, the steps of the run, got 61");
  const Outcome first = run_program("debug --step 1 " + t.path("wild"));
  CHECK(first.status == 0);
  CHECK(first.output.starts_with("step 1\nf32: all finite\nf64: all finite\n\nactivation "));
  for (const char* name : {"\nembedding ", "\nencoder.layers.1.mixer.mixed ", "\ngradient of an activation ",
                           "\ngradient of a parameter ", "\nembedding.weight "})
    CHECK(contains(first.output, name));
  CHECK(count(first.output, "\nencoder.layers.1.mixer.mixed ") == 2);  // its values and its gradient
  const Outcome json = run_program("debug --json --step 1 " + t.path("wild"));
  CHECK(json.output.starts_with("{\"step\":1,\"dtype\":\"f32\",\"first_bad\":\"\",\"first_bad_in_f64\":\"\"}\n"));
  CHECK(contains(json.output, "\n{\"what\":\"gradient\",\"dtype\":\"f64\",\"name\":\"embedding.weight\",\"min\":"));
  const size_t back = json.output.find(
      "\n{\"what\":\"activation_gradient\",\"dtype\":\"f32\",\"name\":\"encoder.layers.0.mixer_input\",\"min\":-");
  REQUIRE(back != std::string::npos);
  CHECK(std::stod(json.output.substr(json.output.find("\"rms\":", back) + 6)) > 0);
  check_refused("debug " + t.path("hydra"), t.path("hydra") + ": has no crash/; name a step with --step");
}

TEST_CASE("a run that diverges after the last loss it logs stops like any other") {
  const Trained& t = trained();
  const Outcome huge = t.train("huge", "--set train.lr=1e30 --set train.warmup=0 --set train.steps=1");
  CHECK(huge.status == 1);
  CHECK(contains(huge.output, "huge: held-out rows from 0 on after step 1: "));
  CHECK(contains(read_file(t.folder / "huge/metrics.jsonl"), "\"loss\":"));  // of the step, which was well
  CHECK_FALSE(contains(read_file(t.folder / "huge/metrics.jsonl"), "heldout"));
  CHECK_FALSE(std::filesystem::exists(t.folder / "huge/checkpoints/step_1.safetensors"));
  CHECK(read_file(t.folder / "huge/crash/report.json").starts_with("{\"step\":1,\"heldout_row\":0,\"first_bad\":\""));
  const Outcome again = run_program("debug " + t.path("huge"));
  CHECK(again.status == 1);
  CHECK(again.output.starts_with("held-out rows from 0 on after step 1\nf32: "));
  CHECK(contains(again.output, "\nactivation "));
  CHECK_FALSE(contains(again.output, "\ngradient "));

  const Outcome infinite = t.train("infinite", "--set train.lr=1e39 --set train.warmup=0 --set train.steps=1");
  CHECK(infinite.status == 1);
  CHECK(contains(infinite.output, "infinite: step 1: adamw: '"));
  CHECK(contains(infinite.output, "' after the update is "));
  const Outcome update = run_program("debug " + t.path("infinite"));
  CHECK(update.status == 1);
  CHECK(update.output.starts_with("step 1\nf32: adamw: '"));
  CHECK(contains(update.output, "\ngradient of a parameter "));

  const Outcome unwatched = t.train("unwatched",
                                    "--set train.lr=1e39 --set train.log_every=60 --set train.evaluate_every=60 "
                                    "--set train.checkpoint_every=2 --set train.warmup=0");
  CHECK(unwatched.status == 1);
  CHECK(contains(unwatched.output, "unwatched: the loss is not finite up to step 2;"));
  CHECK(contains(unwatched.output, "unwatched: step 1: adamw: '"));
}

TEST_CASE("a held-out loss that is not finite is reported by evaluate, with status 1") {
  const Trained& t = trained();
  std::filesystem::copy(t.folder / "hydra", t.folder / "bent", std::filesystem::copy_options::recursive);
  const std::filesystem::path path = t.folder / "bent/checkpoints/step_60.safetensors";
  TensorFile state = read_safetensors(path);
  fill(state.at("embedding.weight"), std::numeric_limits<double>::quiet_NaN());
  experiments::write_state(path, state);
  const Outcome evaluated = run_program("evaluate " + t.path("bent"));
  CHECK(evaluated.status == 1);
  CHECK(contains(evaluated.output, "held-out loss - nats"));
  CHECK(run_program("evaluate --json " + t.path("bent")).status == 1);
}

TEST_CASE("a run keeps its vocabulary: it can be moved, and the original deleted or changed") {
  const Trained& t = trained();
  const std::string vocab = t.path("own.txt"), run = t.path("moved/run");
  std::filesystem::copy(t.vocab, vocab);
  REQUIRE(t.train("keeper", "--set train.steps=30", vocab).status == 0);
  const std::string ask = " --text 'the [MASK] eats'",
                    predicted = run_program("predict " + t.path("keeper") + ask).output,
                    evaluated = run_program("evaluate --json " + t.path("keeper")).output;
  CHECK(read_file(t.folder / "keeper/vocab.txt") == read_file(vocab));
  write_file_atomically(vocab, "nothing of the kind");
  std::filesystem::create_directory(t.folder / "moved");
  std::filesystem::rename(t.folder / "keeper", run);
  for (const bool deleted : {false, true}) {
    if (deleted) std::filesystem::remove(vocab);
    CHECK(run_program("predict " + run + ask).output == predicted);
    CHECK(contains(run_program("evaluate --json " + run).output, evaluated.substr(evaluated.find("\"step\""))));
    CHECK(run_program("show --run " + run + " --text 'the cat' --json").status == 0);
    CHECK(run_program("debug --step 3 " + run).status == 0);
    std::filesystem::remove_all(t.folder / "moved/run/checkpoints");
    std::filesystem::create_directory(t.folder / "moved/run/checkpoints");
    CHECK(run_program("train " + t.path("keeper.json") + " --set train.steps=30 --resume --out " + run).status == 0);
  }
  CHECK(run_program("train " + t.path("keeper.json") + " --out " + t.path("other")).status == 2);
  CHECK_FALSE(std::filesystem::exists(t.folder / "bytes/vocab.txt"));
}

TEST_CASE("every figure of a run stands under its own name, in the table and on the page") {
  const TempDir folder;
  const auto made = [&](const std::string& name, const std::string& heldout) {
    std::filesystem::create_directory(folder / name);
    folder.write(name + "/config.json", R"({"name": ")" + name + R"("})");
    folder.write(name + "/metrics.jsonl", R"({"step":0,"parameters":1234,"data_digest":"0","context_free_loss":6.5})"
                                          "\n"
                                          R"({"step":10,"tokens":100,"loss":5.25,"accuracy":0.125,"grad_norm":1})"
                                          "\n" +
                                              heldout +
                                              "\n"
                                              R"({"step":20,"tokens":200,"loss":4.5,"accuracy":0.25,"grad_norm":1})"
                                              "\n");
    folder.write(name + "/timing.jsonl", R"({"step":0,"seconds":0})"
                                         "\n"
                                         R"({"step":20,"seconds":2,"tokens_per_second":321})"
                                         "\n");
    return (folder / name).string();
  };
  const std::string known = made(
      "known",
      R"({"step":10,"heldout_loss":3.75,"heldout_accuracy":0.5,"heldout_targets":8,"heldout_bits_per_byte":1.625})");
  const std::string none =
      made("none", R"({"step":10,"heldout_loss":null,"heldout_accuracy":null,"heldout_targets":0})");
  const std::string table = run_program("compare " + known + " " + none).output;
  const auto cells = [&](int line) {
    std::istringstream lines(table);
    std::string text, cell, all;
    for (int i = 0; i <= line; ++i) std::getline(lines, text);
    std::istringstream words(text);
    while (words >> cell) all += cell + "|";
    return all;
  };
  CHECK(cells(0) == "run|mixer|held-out|loss|bits/byte|accuracy|tokens/s|parameters|tokens|");
  CHECK(cells(1) == "known|quasiseparable|3.7500|1.625|0.5000|321|1234|200|");
  CHECK(cells(2) == "none|quasiseparable|-|-|-|321|1234|200|");
  const std::string json = run_program("compare --json " + known + " " + none).output;
  CHECK(contains(json, R"("heldout_loss":3.75,"heldout_bits_per_byte":1.625,"heldout_accuracy":0.5,)"));
  CHECK(contains(json, R"("heldout_loss":null,"heldout_bits_per_byte":null,"heldout_accuracy":null,)"));

  // Two losses while training, solid; one held out, dashed.
  const std::string page = (folder / "page.html").string();
  REQUIRE(run_program("compare " + known + " --html " + page).status == 0);
  const std::string html = read_file(page);
  const auto points_of_curve = [&](size_t at) {
    const size_t begin = html.find("points=\"", at), end = html.find('"', begin + 8);
    return count(html.substr(begin, end - begin), ",");
  };
  const size_t solid = html.find("<polyline"), next = html.find("<polyline", solid + 1);
  CHECK_FALSE(contains(html.substr(solid, next - solid), "stroke-dasharray"));
  CHECK(points_of_curve(solid) == 2);
  CHECK(contains(html.substr(next, 100), "stroke-dasharray"));
  CHECK(points_of_curve(next) == 1);
}

TEST_CASE("the last evaluation sees all held-out rows, those before train.evaluate_rows of them") {
  const TempDir folder;
  const std::string config =
      folder
          .write("c.json", R"({"data": {"kind": "recall", "pairs": 2, "queries": 3, "heldout_rows": 24},
      "model": {"d_model": 16, "layers": 1, "mixer": {"state": 4, "headdim": 8}},
      "train": {"batch": 4, "steps": 4, "warmup": 0, "log_every": 4, "evaluate_every": 2, "evaluate_rows": 8}})")
          .string();
  const std::string run = (folder / "run").string();
  REQUIRE(run_program("train " + config + " --out " + run).status == 0);
  const std::string metrics = read_file(run + "/metrics.jsonl");
  CHECK(count(metrics, "\"heldout_targets\":24}") == 1);
  CHECK(count(metrics, "\"heldout_targets\":72}") == 1);
  CHECK(metrics.find("\"heldout_targets\":24}") < metrics.find("\"heldout_targets\":72}"));
}

TEST_CASE("special tokens are no guesses") {
  const Outcome all = run_program("predict --top 1000 --json " + trained().path("hydra") + " --text 'the [MASK]'");
  CHECK(all.status == 0);
  CHECK(count(all.output, "\n") > 20);
  for (const char* special : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
    CHECK_FALSE(contains(all.output, std::string("\"piece\":\"") + special));
}

TEST_CASE("data that changed between a kill and --resume are refused, by evaluate and debug too") {
  const Trained t;
  REQUIRE(t.train("run").status == 0);
  write_file_atomically(t.text, "the hat eats the mat\n" + read_file(t.text));
  const std::string start = "checkpoint: its run learned from data with the digest ...";
  check_refused("evaluate " + t.path("run"), start);
  check_refused("debug --step 60 " + t.path("run"), start);
  const Outcome resumed = t.train("run", "--resume");
  CHECK(resumed.status == 2);
  CHECK(contains(resumed.output, "matmix: " + start.substr(0, start.size() - 3)));
}
