#include "experiments/config/config.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

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

TEST_CASE("every whole number has the bounds that docs/formats.md states") {
  const TempDir folder;
  const fs::path empty = folder.write("c.json", "{}");
  const auto said = [&](const std::string& key, int64_t value) -> std::string {
    try {
      read_config(empty, {"data.max_len=1", text(key, "=", value)});
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  int whole = 0, bounds = 0;
  const nlohmann::json defaults = nlohmann::json::parse(to_json({})).flatten();
  for (const auto& value : defaults) whole += value.is_number_integer();
  std::istringstream rows(read_file(MATMIX_ROOT "/docs/formats.md"));
  for (std::string row; std::getline(rows, row) && row != "## A run's folder";) {
    const size_t to = row.rfind(" to ");
    if (!row.starts_with("| `") || to == std::string::npos) continue;
    ++bounds;
    const std::string key = row.substr(3, row.find('`', 3) - 3);
    const int64_t least = std::stoll(row.substr(row.rfind(' ', to - 1))), most = std::stoll(row.substr(to + 4));
    const std::string sentence = text(empty.string(), ": ", key, " must be in [", least, ", ", most, "], got ");
    CHECK(said(key, least) == "");
    CHECK(said(key, most) == "");
    CHECK(said(key, least - 1) == text(sentence, least - 1));
    if (most < INT64_MAX) CHECK(said(key, most + 1) == text(sentence, most + 1));
  }
  CHECK(bounds == whole);
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
