#include "experiments/config/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/text.h"
#include "data/unicode.h"
#include "tensor/nearest.h"
#include "tensor/safetensors.h"

namespace matmix::experiments {
namespace {

using Json = nlohmann::ordered_json;

/// What a whole number may be, ends included. The upper ends are beyond what any one machine trains, and products of
/// sizes below them do not overflow.
struct Bounds {
  int64_t least, most;
};

/// Tokens of a step: what batches are made of before a tensor is asked for.
constexpr int64_t kMostStepTokens = int64_t{1} << 26;

/// Reads the fields of one JSON object into a struct and refuses what it does not know.
class Reader {
 public:
  Reader(const Json& object, std::string where, std::string path)
      : object_(object), where_(std::move(where)), path_(std::move(path)) {
    require(object.is_object(), where_, path_.empty() ? "the config" : path_, " must be an object, got ",
            object.type_name());
  }

  template <class T>
  void operator()(const char* key, T& field) {
    static_assert(!std::is_same_v<T, int64_t>, "a whole number needs bounds");
    find(key, field);
  }
  void operator()(const char* key, int64_t& field, Bounds bounds) {
    if (find(key, field))
      require(field >= bounds.least && field <= bounds.most, where_, join(key), " must be in [", bounds.least, ", ",
              bounds.most, "], got ", field);
  }

  void finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (std::ranges::find(known_, key) != known_.end()) continue;
      fail(where_, "unknown key ", join(key), "; the nearest known ones are ", nearest_names(key, known_));
    }
  }

 private:
  template <class T>
  bool find(const char* key, T& field) {
    known_.push_back(key);
    const auto found = object_.find(key);
    if (found != object_.end()) read(*found, join(key), field);
    return found != object_.end();
  }
  std::string join(std::string_view key) const { return path_.empty() ? std::string(key) : text(path_, ".", key); }
  void expect(bool ok, const Json& value, const std::string& path, const char* what) const {
    if (!ok)
      fail(where_, path, " must be ", what, ", got ", value.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  void read(const Json& value, const std::string& path, std::string& field) const {
    expect(value.is_string(), value, path, "a string");
    field = value.get<std::string>();
    require(data::is_utf8(field), where_, path, " must be UTF-8, got '", field, "'");
  }
  void read(const Json& value, const std::string& path, bool& field) const {
    expect(value.is_boolean(), value, path, "true or false");
    field = value.get<bool>();
  }
  void read(const Json& value, const std::string& path, double& field) const {
    expect(value.is_number(), value, path, "a number");
    field = value.get<double>();
  }
  void read(const Json& value, const std::string& path, int64_t& field) const {
    expect(value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX), value,
           path, "a whole number");
    field = value.get<int64_t>();
  }
  template <class Section>
  void read(const Json& value, const std::string& path, Section& section) const {
    Reader inner(value, where_, path);
    fields(inner, section);
    inner.finish();
  }

  const Json& object_;
  std::string where_, path_;
  std::vector<std::string> known_;
};

/// Writes the same fields.
class Writer {
 public:
  template <class T>
  void operator()(const char* key, T& field) {
    if constexpr (requires(Writer & w) { fields(w, field); }) {
      Writer inner;
      fields(inner, field);
      object[key] = inner.object;
    } else {
      object[key] = field;
    }
  }
  void operator()(const char* key, int64_t& field, Bounds) { object[key] = field; }

  Json object = Json::object();
};

// Each section lists its fields once, for reading and writing.

template <class Io>
void fields(Io& io, DataConfig& c) {
  io("kind", c.kind);
  io("path", c.path);
  io("tokenizer", c.tokenizer);
  io("layout", c.layout);
  io("max_len", c.max_len, {1, 1 << 20});
  io("mask_rate", c.mask_rate);
  io("whole_word", c.whole_word);
  io("heldout", c.heldout);
  io("pairs", c.pairs, {1, 1 << 20});
  io("queries", c.queries, {1, 1 << 20});
  io("keys", c.keys, {1, 1 << 20});
  io("values", c.values, {1, 1 << 20});
  io("heldout_rows", c.heldout_rows, {1, 1 << 20});
  io("seed", c.seed, {0, INT64_MAX});
}

template <class Io>
void fields(Io& io, MixerConfig& c) {
  io("name", c.name);
  io("source", c.source);
  io("state", c.state, {1, 1 << 16});
  io("groups", c.groups, {1, 1 << 16});
  io("qk_dim", c.qk_dim, {1, 1 << 16});
  io("Q", c.Q, {1, 1 << 16});
  io("expand", c.expand, {1, 64});
  io("headdim", c.headdim, {1, 1 << 16});
  io("conv_width", c.conv_width, {0, 1024});
  io("conv_causal", c.conv_causal);
  io("conv_bias", c.conv_bias);
  io("conv_act", c.conv_act);
  io("gate", c.gate);
  io("norm", c.norm);
  io("norm_eps", c.norm_eps);
  io("residual_v", c.residual_v);
  io("multiply_copies", c.multiply_copies);
  io("bias", c.bias);
}

template <class Io>
void fields(Io& io, ModelConfig& c) {
  io("d_model", c.d_model, {1, 1 << 16});
  io("layers", c.layers, {0, 1024});
  io("mlp_width", c.mlp_width, {0, 1 << 20});
  io("mlp_act", c.mlp_act);
  io("mlp_gated", c.mlp_gated);
  io("max_positions", c.max_positions, {0, 1 << 20});
  io("dropout", c.dropout);
  io("norm", c.norm);
  io("mixer", c.mixer);
}

template <class Io>
void fields(Io& io, TrainConfig& c) {
  io("batch", c.batch, {1, 1 << 20});
  io("steps", c.steps, {1, 1'000'000'000});
  io("lr", c.lr);
  io("warmup", c.warmup, {0, 1'000'000'000});
  io("final_fraction", c.final_fraction);
  io("weight_decay", c.weight_decay);
  io("beta1", c.beta1);
  io("beta2", c.beta2);
  io("eps", c.eps);
  io("max_grad_norm", c.max_grad_norm);
  io("log_every", c.log_every, {1, 1'000'000'000});
  io("evaluate_every", c.evaluate_every, {1, 1'000'000'000});
  io("checkpoint_every", c.checkpoint_every, {1, 1'000'000'000});
  io("evaluate_rows", c.evaluate_rows, {1, 1'000'000'000});
  io("graph", c.graph);
  io("dtype", c.dtype);
  io("device", c.device);
  io("seed", c.seed, {0, INT64_MAX});
}

template <class Io>
void fields(Io& io, Config& c) {
  io("name", c.name);
  io("data", c.data);
  io("model", c.model);
  io("train", c.train);
}

Json parse(const std::string& text, const std::string& where) {
  constexpr int kMaxDepth = 32;  // far deeper ones would end the stack of whoever walks them
  const auto shallow = [&](int depth, Json::parse_event_t, const Json&) {
    require(depth <= kMaxDepth, where, "must not be nested deeper than ", kMaxDepth, " levels");
    return true;
  };
  require(text.find('\0') == std::string::npos, where, "must not hold a zero byte");  // the end to the JSON parser
  try {
    return Json::parse(text, shallow);
  } catch (const Json::parse_error& error) {
    const size_t at = std::min(error.byte, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    fail(where, "line ", line,
         " is not JSON: ", std::string_view(error.what()).substr(std::string_view(error.what()).rfind(": ") + 2));
  } catch (const Json::out_of_range&) {
    fail(where, "must not hold numbers beyond the range of a double");
  }
}

/// The objects of `over` go into those of `under`; everything else replaces.
void merge(Json& under, const Json& over) {
  for (const auto& [key, value] : over.items()) {
    if (value.is_object() && under.contains(key) && under[key].is_object())
      merge(under[key], value);
    else
      under[key] = value;
  }
}

Json read_with_bases(const std::filesystem::path& path, std::vector<std::filesystem::path>& open) {
  std::error_code nameless;  // a pipe
  std::filesystem::path absolute = std::filesystem::weakly_canonical(path, nameless);
  if (nameless) absolute = path;
  require(std::ranges::find(open, absolute) == open.end(), path.string(), "is its own base");
  open.push_back(absolute);
  Json config = parse(data::read_utf8(path, "config"), path.string());
  require(config.is_object(), path.string(), "the config must be an object, got ", config.type_name());
  if (!config.contains("base")) return config;
  require(config["base"].is_string(), path.string(), "base must be a string, got ", config["base"].dump());
  Json under = read_with_bases(path.parent_path() / config["base"].get<std::string>(), open);
  config.erase("base");
  merge(under, config);
  return under;
}

void apply(Json& config, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  require(equals != std::string::npos && equals > 0, "--set", "must be path=value, got '", assignment, "'");
  Json* at = &config;
  std::string path = assignment.substr(0, equals);
  for (size_t dot; (dot = path.find('.')) != std::string::npos; path = path.substr(dot + 1)) {
    at = &(*at)[path.substr(0, dot)];
    require(at->is_null() || at->is_object(), "--set", "'", assignment, "' goes through a value that is no object");
  }
  const std::string value = assignment.substr(equals + 1);
  (*at)[path] = Json::accept(value) ? parse(value, "--set") : Json(value);
}

void check(const Config& c, const std::string& where) {
  const int64_t row = c.data.kind == "recall" ? 2 * (c.data.pairs + c.data.queries) : c.data.max_len;
  require(c.train.batch <= kMostStepTokens / row, where, "train.batch must be at most ", kMostStepTokens / row,
          " for rows of ", row, " tokens, got ", c.train.batch);
  require(c.train.lr > 0, where, "train.lr must be positive, got ", c.train.lr);
  require(c.data.mask_rate > 0 && c.data.mask_rate < 1, where, "data.mask_rate must be in (0, 1), got ",
          c.data.mask_rate);
  require(c.model.dropout >= 0 && c.model.dropout < 1, where, "model.dropout must be in [0, 1), got ", c.model.dropout);
}

Config from_json(const Json& object, const std::string& where) {
  Config config;
  Reader reader(object, where, "");
  fields(reader, config);
  reader.finish();
  check(config, where);
  return config;
}

}  // namespace

Config read_config(const std::filesystem::path& path, const std::vector<std::string>& set) {
  std::vector<std::filesystem::path> open;
  Json object = read_with_bases(path, open);
  for (const std::string& assignment : set) apply(object, assignment);
  return from_json(object, path.string());
}

Config parse_config(const std::string& text, const std::string& where) { return from_json(parse(text, where), where); }

std::string to_json(const Config& config) {
  Writer writer;
  Config copy = config;
  fields(writer, copy);
  return writer.object.dump(2) + "\n";
}

}  // namespace matmix::experiments
