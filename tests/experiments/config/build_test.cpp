#include "experiments/config/build.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "experiments/train/trainer.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::experiments;
using matmix::testing::TempDir;

namespace {

using Words = std::vector<std::string>;

/// Small configs, with what is set over them.
class Small {
 public:
  Config read(Words set) const {
    Words all{"data.kind=recall",      "data.pairs=2",  "data.queries=1",      "data.keys=4",
              "data.heldout_rows=2",   "train.batch=2", "model.d_model=8",     "model.layers=1",
              "model.mixer.headdim=4", "train.steps=1", "model.mixer.state=2", "model.mixer.qk_dim=2",
              "model.mixer.gate=none"};
    all.insert(all.end(), set.begin(), set.end());
    return read_config(file_, all);
  }

 private:
  TempDir folder_;
  std::filesystem::path file_ = folder_.write("c.json", "{}");
};

/// Whether the config is taken; if so, its first step must do.
bool taken(const Small& small, const Words& set) {
  CAPTURE(set.back());
  std::unique_ptr<Trainer> trainer;
  try {
    trainer = std::make_unique<Trainer>(small.read(set));
  } catch (const Error&) {
    return false;
  }
  CHECK_NOTHROW(trainer->run(0));
  return true;
}

}  // namespace

TEST_CASE("what can be built takes its first step: every choice, and the least of every number") {
  const Small small;
  int choices = 0, numbers = 0;
  for (const ConfigKey& key : config_keys()) {
    const nlohmann::json fallback = nlohmann::json::parse(key.fallback);
    const size_t comma = key.note.find(", ");
    if (fallback.is_string() && comma != std::string::npos && key.name != "data.path" && key.name != "data.tokenizer" &&
        key.name != "data.kind") {
      for (size_t from = 0; from < key.note.size();) {
        const size_t to = std::min(key.note.find(", ", from), key.note.size());
        CHECK(taken(small, {text(key.name, "=", key.note.substr(from, to - from))}));
        from = to + 2;
        ++choices;
      }
    } else if (fallback.is_number_integer()) {
      const size_t to = key.note.rfind(" to "), space = key.note.rfind(' ', to - 1);
      const size_t begin = space == std::string::npos ? 0 : space + 1;
      taken(small, {text(key.name, "=", key.note.substr(begin, to - begin))});
      ++numbers;
    } else if (fallback.is_number_float()) {
      for (const char* value : {"0", "1e-30", "0.5", "1"}) taken(small, {text(key.name, "=", value)});
      ++numbers;
    }
  }
  CHECK(choices > 40);
  CHECK(numbers == 37);
}

TEST_CASE("what can be built takes its first step: mixers beside sources, convolutions and lengths") {
  const Small small;
  int steps = 0;
  for (const ConfigKey& key : config_keys()) {
    if (key.name != "model.mixer.name") continue;
    for (size_t from = 0; from < key.note.size();) {
      const size_t to = std::min(key.note.find(", ", from), key.note.size());
      const std::string mixer = text("model.mixer.name=", key.note.substr(from, to - from));
      for (const char* source : {"projected", "table", "generated"})
        for (const char* over : {"data.pairs=1", "model.mixer.conv_width=0", "model.max_positions=6",
                                 "model.mixer.norm=false", "model.mixer.groups=2"})
          steps += taken(small, {mixer, text("model.mixer.source=", source), over});
      from = to + 2;
    }
  }
  CHECK(steps == 17 * 3 * 5);
}
