#include "experiments/config/config.h"

#include <algorithm>

#include "data/masked_text.h"
#include "data/unicode.h"
#include "experiments/config/config_json.h"
#include "experiments/config/json_fields.h"
#include "mixers/registry.h"
#include "ops/elementwise/activation.h"
#include "tensor/math_mode.h"

namespace matmix::experiments {
namespace {

/// Tokens of a step: what batches are made of before a tensor is asked for.
constexpr int64_t kMostStepTokens = int64_t{1} << 26;

// The upper ends are beyond what any one machine trains, and products of sizes below them do not overflow. Numbers that
// end up as F32 are none that F32 takes for 0 or infinite.
constexpr Whole kCount{1, 1'000'000'000}, kSize{1, 1 << 20}, kModelWidth{1, 1 << 16}, kSeed{0, INT64_MAX};
constexpr Real kFraction{0, 1}, kOpenFraction{.least = 0, .most = 1, .open_below = true, .open_above = true},
    kBelowOne{.least = 0, .most = 1, .open_above = true};

template <class E>
Text one_of(std::initializer_list<E> values) {
  Text kind;
  for (const E value : values) kind.choices.emplace_back(to_string(value));
  return kind;
}

Text mixer_names() {
  Text kind;
  for (const mixers::MixerRow& row : mixers::registry()) kind.choices.push_back(row.name);
  return kind;
}

/// Of folders below one another, none of which leads back up.
bool is_name(const std::string& x) {
  constexpr size_t kMostBytes = 200;  // of a folder's name, with room for what is put on it
  if (x.size() > kMostBytes) return false;
  for (std::string_view rest = x; !rest.empty();) {
    const data::Character c = data::first_character(rest);
    if (c.code != ' ' && (data::is_white(c.code) || data::is_dropped(c.code))) return false;
    rest.remove_prefix(static_cast<size_t>(c.bytes));
  }
  for (size_t from = 0; from <= x.size();) {
    const size_t to = std::min(x.find('/', from), x.size());
    const std::string_view folder = std::string_view(x).substr(from, to - from);
    if (folder.empty() || folder == "." || folder == "..") return false;
    from = to + 1;
  }
  return true;
}

bool is_some_path(const std::string& x) { return !x.empty() && x.find('\0') == std::string::npos && data::is_utf8(x); }

/// Whether it is there is asked when it is used: a config can be read on any machine.
bool is_device(const std::string& x) {
  constexpr std::string_view kHead = "cuda:";
  if (x == "cpu" || x == "cuda") return true;
  const std::string_view digits = std::string_view(x).substr(std::min(x.size(), kHead.size()));
  return x.starts_with(kHead) && !digits.empty() && digits.size() <= 4 &&
         digits.find_first_not_of("0123456789") == std::string_view::npos;
}

const Text kName{.fits = is_name,
                 .must_be = "the name of a folder below another, of at most 200 bytes without control characters"};
const Text kPath{.fits = is_some_path, .must_be = "the path of a file or folder", .is_path = true};
const Text kTokenizer{
    .fits = is_some_path, .must_be = "bytes or the path of a vocabulary", .is_path = true, .unless = "bytes"};
const Text kDevice{.fits = is_device, .must_be = "cpu, cuda or cuda:N"};

}  // namespace

void DataConfig::fields(Fields& f) {
  using data::Layout;
  f("kind", kind, Text{.choices = {"glosses", "text", "recall"}});
  f("path", path, kPath, "WordNet's folder, or a plain text file");
  f("tokenizer", tokenizer, kTokenizer, "bytes, or the path of a vocab.txt");
  f("layout", layout, one_of({Layout::kPadded, Layout::kPacked, Layout::kFull}));
  f("max_len", max_len, kSize, "tokens a row");
  f("mask_rate", mask_rate, kOpenFraction);
  f("whole_word", whole_word);
  f("heldout", heldout, kOpenFraction, "share of texts held out");
  f("pairs", pairs, kSize, "recall");
  f("queries", queries, kSize, "recall");
  f("keys", keys, kSize, "recall");
  f("values", values, kSize, "recall");
  f("heldout_rows", heldout_rows, kSize, "recall: rows made to judge by");
  f("seed", seed, kSeed);
}

void MixerConfig::fields(Fields& f) {
  using A = Activation;
  f("name", name, mixer_names());
  f("source", source, Text{.choices = {"projected", "table", "generated"}});
  f("state", state, kModelWidth);
  f("groups", groups, kModelWidth, "must divide the heads");
  f("qk_dim", qk_dim, kModelWidth);
  f("Q", Q, kModelWidth);
  f("expand", expand, Whole{1, 64});
  f("headdim", headdim, kModelWidth, "must divide expand * d_model");
  f("conv_width", conv_width, Whole{0, 1024}, "0: no convolution; odd unless conv_causal");
  f("conv_causal", conv_causal);
  f("conv_bias", conv_bias);
  f("conv_act", conv_act, one_of({A::kNone, A::kRelu, A::kSilu, A::kGelu, A::kTanh}));
  f("gate", gate, Text{.choices = {"none", "after_norm", "before_norm"}});
  f("norm", norm);
  f("norm_eps", norm_eps, kFraction);
  f("residual_v", residual_v);
  f("multiply_copies", multiply_copies, "of a mixer with two copies of the heads");
  f("bias", bias, "of the in- and out-projection");
}

void ModelConfig::fields(Fields& f) {
  using A = Activation;
  f("d_model", d_model, kModelWidth);
  f("layers", layers, Whole{0, 1024});
  f("mlp_width", mlp_width, Whole{0, 1 << 20}, "of an MLP after each mixer; 0: none");
  f("mlp_act", mlp_act, one_of({A::kNone, A::kRelu, A::kSilu, A::kGelu, A::kTanh}));
  f("mlp_gated", mlp_gated);
  f("max_positions", max_positions, Whole{0, 1 << 20},
    "longest sequence with learned positions, at least a row; 0: none");
  f("dropout", dropout, kBelowOne);
  f("norm", norm, Text{.choices = {"layer", "rms"}});
  f("mixer", mixer);
}

void TrainConfig::fields(Fields& f) {
  using M = MathMode;
  f("batch", batch, kSize, "rows a step");
  f("steps", steps, kCount);
  f("lr", lr, Real{1e-30, 1e100});
  f("warmup", warmup, Whole{0, kCount.most});
  f("final_fraction", final_fraction, kFraction, "of lr, at the last step");
  f("weight_decay", weight_decay, Real{0, 1e4});
  f("beta1", beta1, kBelowOne);
  f("beta2", beta2, kBelowOne);
  f("eps", eps, Real{1e-30, 1});
  f("max_grad_norm", max_grad_norm, Real{0, 1e30}, "0: no clipping");
  f("log_every", log_every, kCount);
  f("evaluate_every", evaluate_every, kCount);
  f("checkpoint_every", checkpoint_every, kCount);
  f("evaluate_rows", evaluate_rows, kCount, "held-out rows judged at evaluate_every; all of them at the end");
  f("graph", graph, "on CUDA, with full rows: capture the step and replay it");
  f("dtype", dtype, one_of({M::kF64, M::kF32, M::kTF32, M::kBF16}));
  f("device", device, kDevice);
  f("seed", seed, kSeed);
}

void Config::fields(Fields& f) {
  f("name", name, kName);
  f("data", data);
  f("model", model);
  f("train", train);
}

namespace {

/// What two keys must be beside each other.
void check(const Config& c, const std::string& where) {
  const int64_t row = c.data.kind == "recall" ? 2 * (c.data.pairs + c.data.queries) : c.data.max_len;
  const MixerConfig& mixer = c.model.mixer;
  require(c.train.batch <= kMostStepTokens / row, where, "train.batch must be at most ", kMostStepTokens / row,
          " for rows of ", row, " tokens, got ", c.train.batch);
  require(c.model.max_positions == 0 || c.model.max_positions >= row, where,
          "model.max_positions must be 0 or at least ", row, ", the tokens of a row, got ", c.model.max_positions);
  const int64_t inner = mixer.expand * c.model.d_model;
  require(inner % mixer.headdim == 0, where,
          "model.mixer.headdim must divide model.mixer.expand * model.d_model = ", inner, ", got ", mixer.headdim);
  require(mixer.conv_causal || mixer.conv_width == 0 || mixer.conv_width % 2 == 1, where,
          "model.mixer.conv_width must be odd unless model.mixer.conv_causal is true, got ", mixer.conv_width);
}

/// Remembers what the walk says of each key.
class KeyList final : public Fields {
 public:
  void operator()(const char* key, bool& x, const char* note) override { add(key, x, note, ""); }
  void operator()(const char* key, int64_t& x, const Whole& within, const char* note) override {
    add(key, x, note, text(within.least, " to ", within.most));
  }
  void operator()(const char* key, double& x, const Real& within, const char* note) override {
    add(key, x, note, to_string(within));
  }
  void operator()(const char* key, std::string& x, const Text& kind, const char* note) override {
    add(key, x, note, listed(kind.choices));
    text_keys.push_back({keys.back().name, kind.is_path, kind.unless});
  }

  std::vector<ConfigKey> keys;
  std::vector<TextKey> text_keys;

 private:
  bool open(const char* key) override {
    outer_.push_back(prefix_);
    prefix_ += std::string(key) + ".";
    return true;
  }
  void close() override {
    prefix_ = outer_.back();
    outer_.pop_back();
  }
  void add(const char* key, const Json& fallback, std::string note, const std::string& within) {
    if (!within.empty()) note += (note.empty() ? "" : "; ") + within;
    keys.push_back({prefix_ + key, fallback.dump(), std::move(note)});
  }

  std::string prefix_;
  std::vector<std::string> outer_;
};

KeyList key_list() {
  KeyList list;
  Config().fields(list);
  return list;
}

ConfigJson reader_of_files() { return ConfigJson(key_list().text_keys); }

Config from_json(const Json& object, const std::string& where) {
  Config config;
  JsonReader reader(object, where);
  config.fields(reader);
  reader.finish();
  check(config, where);
  return config;
}

/// The value of "a.b" as JSON; what was not written is a path.
std::string value_at(const Json& object, const std::string& path) {
  const size_t dot = path.find('.');
  const auto found = object.find(path.substr(0, dot));
  if (found == object.end()) return "a path";
  return dot == std::string::npos ? found->dump() : value_at(*found, path.substr(dot + 1));
}

Json json_of(Config config, bool with_paths) {
  JsonWriter writer(with_paths);
  config.fields(writer);
  return writer.object;
}

}  // namespace

Config read_config(const std::filesystem::path& path, const std::vector<std::string>& set) {
  const ConfigJson files = reader_of_files();
  Json object = files.read(path);
  for (const std::string& assignment : set) files.assign(object, assignment);
  return from_json(object, path.string());
}

Config parse_config(const std::string& text, const std::string& where) {
  return from_json(reader_of_files().parse(text, where), where);
}

std::string to_json(const Config& config) { return json_of(config, true).dump(2) + "\n"; }

std::vector<ConfigDifference> differences(const Config& a, const Config& b) {
  const Json left = json_of(a, false), right = json_of(b, false);
  std::vector<ConfigDifference> apart;
  for (const ConfigKey& key : config_keys()) {
    const std::string x = value_at(left, key.name), y = value_at(right, key.name);
    if (x != y) apart.push_back({key.name, x, y});
  }
  return apart;
}

std::vector<ConfigKey> config_keys() { return key_list().keys; }

}  // namespace matmix::experiments
