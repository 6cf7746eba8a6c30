#include "experiments/config/config.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::experiments;
using matmix::testing::TempDir;
namespace fs = std::filesystem;

TEST_CASE("written and read back, a config is the same") {
  Config c;
  c.name = "x";
  c.model.mixer.state = 32;
  c.train.lr = 0.1 + 0.2;
  c.data.whole_word = false;
  CHECK(to_json(parse_config(to_json(c), "text")) == to_json(c));
}

TEST_CASE("bases are read first, deep; --set comes last") {
  const TempDir folder;
  folder.write("base.json", R"({"model": {"d_model": 64, "mixer": {"state": 8, "headdim": 16}}})");
  folder.write("middle.json", R"({"base": "base.json", "model": {"mixer": {"state": 9}}})");
  const fs::path top = folder.write("top.json", R"({"base": "middle.json", "name": "top"})");
  const Config c = read_config(top, {"model.layers=7", "train.dtype=bf16", "train.lr=1e-4"});
  CHECK(c.name == "top");
  CHECK(c.model.d_model == 64);
  CHECK(c.model.mixer.state == 9);
  CHECK(c.model.mixer.headdim == 16);
  CHECK(c.model.layers == 7);
  CHECK(c.train.dtype == "bf16");
  CHECK(c.train.lr == 1e-4);
}

TEST_CASE("what is wrong is said in one sentence, with file and path") {
  const auto message = [](const std::string& json) {
    try {
      parse_config(json, "f.json");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(message(R"({"model": {"d_modle": 3}})") ==
        "f.json: unknown key model.d_modle; the nearest known ones are 'd_model', 'dropout' or 'norm'");
  CHECK(message(R"({"model": 3})") == "f.json: model must be an object, got number");
  CHECK(message(R"({"train": {"steps": "many"}})") == "f.json: train.steps must be a whole number, got \"many\"");
  CHECK(message(R"({"train": {"steps": 1.5}})") == "f.json: train.steps must be a whole number, got 1.5");
  CHECK(message(R"({"train": {"steps": 0}})") == "f.json: train.steps must be in [1, 1000000000], got 0");
  CHECK(message(R"({"data": {"whole_word": 1}})") == "f.json: data.whole_word must be true or false, got 1");
  CHECK(message("{\n\"train\": {\n\"lr\": NaN}}").starts_with("f.json: line 3 is not JSON: "));
  CHECK(message("[]") == "f.json: the config must be an object, got array");
}

TEST_CASE("every number has the bounds that its row states, ends included as it says") {
  const TempDir folder;
  const fs::path empty = folder.write("c.json", "{}");
  const auto refused = [&](const std::string& key, const std::string& value) {
    try {
      read_config(empty, {"data.max_len=1", "train.batch=1", text(key, "=", value)});
    } catch (const Error& e) {
      return std::string(e.what()).starts_with(text(empty.string(), ": ", key, " must be in "));
    }
    return false;
  };
  const std::regex whole(R"((-?[0-9]+) to ([0-9]+)$)"), real(R"(([\[(])([-+.e0-9]+), ([-+.e0-9]+)([\])])$)");
  int numbers = 0;
  for (const ConfigKey& key : config_keys()) {
    if (!nlohmann::json::parse(key.fallback).is_number()) continue;
    ++numbers;
    CAPTURE(key.name);
    std::smatch ends;
    if (std::regex_search(key.note, ends, whole)) {
      const int64_t least = std::stoll(ends[1]), most = std::stoll(ends[2]);
      CHECK_FALSE(refused(key.name, text(least)));
      CHECK_FALSE(refused(key.name, text(most)));
      CHECK(refused(key.name, text(least - 1)));
      CHECK(refused(key.name, most < INT64_MAX ? text(most + 1) : "9223372036854775808"));
    } else {
      REQUIRE(std::regex_search(key.note, ends, real));
      const auto written = [](double x) { return nlohmann::json(x).dump(); };
      const double least = std::stod(ends[2]), most = std::stod(ends[3]);
      CHECK(refused(key.name, written(least)) == (ends[1] == "("));
      CHECK(refused(key.name, written(most)) == (ends[4] == ")"));
      CHECK(refused(key.name, written(std::nextafter(least, -1.0))));
      CHECK(refused(key.name, written(std::nextafter(most, INFINITY))));
    }
    for (const char* beyond : {"-1e300", "1e300"}) CHECK(refused(key.name, beyond));
  }
  CHECK(numbers == 37);
}

TEST_CASE("values that do not go together are refused") {
  const TempDir folder;
  const fs::path c = folder.write("c.json", "{}");
  const auto check_refused = [&](const std::vector<std::string>& set, const std::string& sentence) {
    CHECK_THROWS_WITH_AS(read_config(c, set), (c.string() + ": " + sentence).c_str(), Error);
  };
  check_refused({"model.max_positions=127"},
                "model.max_positions must be 0 or at least 128, the tokens of a row, got 127");
  check_refused({"data.kind=recall", "model.max_positions=15"},
                "model.max_positions must be 0 or at least 16, the tokens of a row, got 15");
  check_refused({"model.mixer.headdim=48"},
                "model.mixer.headdim must divide model.mixer.expand * model.d_model = 256, got 48");
  check_refused({"model.mixer.conv_width=2"},
                "model.mixer.conv_width must be odd unless model.mixer.conv_causal is true, got 2");
  CHECK_NOTHROW(
      read_config(c, {"model.max_positions=128", "model.mixer.conv_width=2", "model.mixer.conv_causal=true"}));
  CHECK_NOTHROW(read_config(c, {"model.mixer.conv_width=0"}));
}

TEST_CASE("a key for a few names has no other, whatever the kind of data") {
  const TempDir folder;
  const fs::path c = folder.write("c.json", "{}");
  for (const char* key : {"data.kind", "data.layout", "model.mixer.name", "model.mixer.source", "model.mixer.conv_act",
                          "model.mixer.gate", "model.mlp_act", "model.norm", "train.dtype", "train.device"})
    for (const char* value : {"foo", "", "3", "true"}) {
      CAPTURE(key);
      try {
        read_config(c, {"data.kind=recall", text(key, "=", value)});
        FAIL_CHECK(value << " was taken");
      } catch (const Error& e) {
        CHECK(std::string(e.what()).starts_with(text(c.string(), ": ", key, " must be ")));
        CHECK(std::string(e.what()).ends_with(text(", got \"", value, "\"")));
      }
    }
  for (const char* device : {"cuda:", "cuda:-1", "cuda:x", "cuda:99999", "cpu ", "CPU"})
    CHECK_THROWS_AS(read_config(c, {text("train.device=", device)}), Error);
  CHECK(read_config(c, {"train.device=cuda:12"}).train.device == "cuda:12");
}

TEST_CASE("a whole number may be written with a point or an exponent; minus zero is zero") {
  const TempDir folder;
  const fs::path c = folder.write("c.json", R"({"train": {"steps": 3.0, "batch": 1e1, "weight_decay": -0.0}})");
  const Config read = read_config(c, {"train.warmup=-0", "data.seed=9007199254740992.0"});
  CHECK(read.train.steps == 3);
  CHECK(read.train.batch == 10);
  CHECK(read.train.warmup == 0);
  CHECK(read.data.seed == 9007199254740992);
  CHECK_FALSE(std::signbit(read.train.weight_decay));
  CHECK(parse_config(R"({"data": {"seed": 9007199254740993}})", "x").data.seed == 9007199254740993);
  CHECK_THROWS_WITH_AS(parse_config(R"({"data": {"seed": 1e18}})", "x"),
                       "x: data.seed must be a whole number without a point or exponent, got 1e+18", Error);
}

TEST_CASE("no object has a key twice") {
  const auto message = [](const std::string& json) {
    try {
      parse_config(json, "f.json");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(message(R"({"train":{"seed":1,"lr":0.5},"train":{"seed":2}})") ==
        "f.json: must not have a key twice in an object, got \"train\" twice");
  CHECK(message(R"({"model":{"mixer":{"state":1,"Q":2,"state":1}}})") ==
        "f.json: must not have a key twice in an object, got \"state\" twice");
  CHECK(message(R"({"name":"a","n\u0061me":"b"})") ==
        "f.json: must not have a key twice in an object, got \"name\" twice");
  CHECK(message(R"({"train":{"seed":1},"data":{"seed":1},"model":{"norm":"rms","mixer":{"norm":true}}})").empty());
  const TempDir folder;
  const fs::path base = folder.write("base.json", R"({"name":"a","name":"b"})");
  CHECK_THROWS_AS(read_config(folder.write("c.json", R"({"base":"base.json"})")), Error);
  CHECK_THROWS_AS(read_config(folder.write("d.json", "{}"), {R"(train={"lr":1e-3,"lr":1e-3})"}), Error);
}

TEST_CASE("an object after --set goes into what is there, as that of a file does") {
  const TempDir folder;
  const fs::path c = folder.write("c.json", R"({"model": {"mixer": {"state": 8}}})");
  const Config read = read_config(c, {"train.steps=20", R"(train={"lr":0.001})", R"(model={"mixer":{"Q":4}})"});
  CHECK(read.train.steps == 20);
  CHECK(read.train.lr == 0.001);
  CHECK(read.model.mixer.state == 8);
  CHECK(read.model.mixer.Q == 4);
  CHECK_THROWS_AS(read_config(c, {"train=3"}), Error);
  CHECK_THROWS_AS(read_config(c, {"train.999999999999=1"}), Error);
  CHECK_THROWS_AS(read_config(c, {std::string(100'000, '.') + "=1"}), Error);
}

TEST_CASE("a key for a text takes the text of --set as it stands, or JSON in quotes") {
  const TempDir folder;
  const fs::path c = folder.write("c.json", "{}");
  for (const char* name : {"20261130", "true", "null", "1e5", "{}", "[1]", "a b", "ä"})
    CHECK(read_config(c, {text("name=", name)}).name == name);
  CHECK(read_config(c, {R"(name="quoted \u0061")"}).name == "quoted a");
  CHECK(read_config(c, {"data.path=2024"}).data.path == (fs::current_path() / "2024").string());
  for (const char* key : {"name", "data.path", "data.tokenizer", "data.kind", "train.device", "train.lr"})
    CHECK_THROWS_WITH_AS(read_config(c, {text(key, "=\xff")}), doctest::Contains(text(key, " must be ").c_str()),
                         Error);
  CHECK_THROWS_AS(read_config(c, {"train.steps=\"20\""}), Error);
}

TEST_CASE("a name is that of a folder") {
  const TempDir folder;
  const fs::path c = folder.write("c.json", "{}");
  for (const std::string& name :
       std::vector<std::string>{"", ".", "..", "/", "../x", "/a", "a/", "a//b", "a/../b", "a\n", "\x1b[31m", "\x7f",
                                "\xc2\x9b", "\xe2\x80\xae", std::string(201, 'a')})
    CHECK_THROWS_WITH_AS(read_config(c, {text("name=", name)}), doctest::Contains("name must be the name of a folder"),
                         Error);
  CHECK_THROWS_AS(parse_config(R"({"name": "a\u0000b"})", "x"), Error);
  CHECK_THROWS_AS(parse_config(R"({"data": {"path": "a\u0000b"}})", "x"), Error);
  CHECK_THROWS_AS(parse_config(R"({"data": {"path": ""}})", "x"), Error);
  for (const std::string& name : {std::string(200, 'a'), std::string("..."), std::string("a/b c")})
    CHECK_NOTHROW(read_config(c, {"name=" + name}));
}

TEST_CASE("relative paths lead from the working folder, or from the file's if there alone something is") {
  const TempDir folder;
  fs::create_directories(folder / "deep");
  const fs::path text_file = folder.write("deep/corpus.txt", "a"), vocabulary = folder.write("deep/v.txt", "a");
  folder.write("deep/base.json", R"({"data": {"path": "corpus.txt", "tokenizer": "../deep/v.txt"}})");
  const fs::path top = folder.write("top.json", R"({"base": "deep/base.json"})");
  const Config read = read_config(top);
  CHECK(read.data.path == fs::canonical(text_file).string());
  CHECK(read.data.tokenizer == fs::canonical(vocabulary).string());
  CHECK(read_config(top, {"data.path=corpus.txt"}).data.path == (fs::current_path() / "corpus.txt").string());
  CHECK(read_config(top, {R"(data={"path":"corpus.txt"})"}).data.path == (fs::current_path() / "corpus.txt").string());
  CHECK(read_config(top, {"data.tokenizer=bytes"}).data.tokenizer == "bytes");
  CHECK(read_config(top, {"data.path=/nowhere/./x"}).data.path == "/nowhere/./x");
  const std::string here = fs::relative(folder / "deep/corpus.txt").string();
  CHECK(read_config(folder.write("a.json", R"({"data": {"path": ")" + here + "\"}}")).data.path ==
        fs::canonical(text_file).string());
}

TEST_CASE("where files are is no difference between configs") {
  Config a, b;
  b.data.path = "/elsewhere";
  CHECK(differences(a, b).empty());
  a.data.tokenizer = "/v.txt";
  b.data.tokenizer = "/w.txt";
  CHECK(differences(a, b).empty());
  b.data.tokenizer = "bytes";
  b.train.lr = 0.5;
  b.model.mixer.name = "dense";
  const std::vector<ConfigDifference> apart = differences(a, b);
  REQUIRE(apart.size() == 3);
  CHECK((apart[0].key == "data.tokenizer" && apart[0].a == "a path" && apart[0].b == "\"bytes\""));
  CHECK((apart[1].key == "model.mixer.name" && apart[1].a == "\"quasiseparable\"" && apart[1].b == "\"dense\""));
  CHECK((apart[2].key == "train.lr" && apart[2].a == "0.002" && apart[2].b == "0.5"));
}

TEST_CASE("what a run says of its making is passed over in a file, and is no key") {
  const TempDir folder;
  const fs::path run = folder.write("config.json", R"({"name": "a", "made_by": {"version": "1"}})");
  CHECK(read_config(run).name == "a");
  CHECK(read_config(folder.write("c.json", R"({"base": "config.json"})")).name == "a");
  CHECK_THROWS_AS(read_config(run, {"made_by.version=2"}), Error);
  CHECK_THROWS_AS(parse_config(R"({"train": {"made_by": {}}})", "x"), Error);
}

TEST_CASE("a step has no more tokens than a machine can hold") {
  const TempDir folder;
  const fs::path c = folder.write("c.json", "{}");
  CHECK(read_config(c, {"data.max_len=1048576", "train.batch=64"}).train.batch == 64);
  CHECK_THROWS_WITH_AS(read_config(c, {"data.max_len=1048576", "train.batch=65"}),
                       (c.string() + ": train.batch must be at most 64 for rows of 1048576 tokens, got 65").c_str(),
                       Error);
  CHECK_THROWS_WITH_AS(read_config(c, {"data.kind=recall", "data.pairs=1048576", "train.batch=32"}),
                       (c.string() + ": train.batch must be at most 31 for rows of 2097160 tokens, got 32").c_str(),
                       Error);
}

TEST_CASE("a circle of bases, a missing file and a bad --set are refused") {
  const TempDir folder;
  const fs::path a = folder.write("a.json", R"({"base": "b.json"})");
  folder.write("b.json", R"({"base": "a.json"})");
  CHECK_THROWS_AS(read_config(a), Error);
  CHECK_THROWS_AS(read_config(folder / "none.json"), Error);
  const fs::path good = folder.write("c.json", "{}");
  CHECK_THROWS_WITH_AS(read_config(good, {"steps"}), "--set: must be path=value, got 'steps'", Error);
  CHECK_THROWS_WITH_AS(read_config(good, {"name.x=1", "name=a", "name.x=2"}),
                       "--set: 'name.x=2' goes through a value that is no object", Error);
}
