#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace matmix::experiments {

class Fields;

// What each key may be is said beside it in config.cpp.

struct DataConfig {
  std::string kind = "glosses";             ///< glosses, text, recall
  std::string path = "/usr/share/wordnet";  ///< WordNet's folder, or a plain text file
  std::string tokenizer = "bytes";          ///< bytes, or the path of a vocab.txt
  std::string layout = "padded";            ///< padded, packed, full
  int64_t max_len = 128;                    ///< tokens a row
  double mask_rate = 0.15;
  bool whole_word = true;
  double heldout = 0.05;                                   ///< share of texts held out
  int64_t pairs = 4, queries = 4, keys = 64, values = 64;  ///< recall
  int64_t heldout_rows = 512;                              ///< recall: rows made to judge by
  int64_t seed = 0;

  void fields(Fields& f);
};

struct MixerConfig {
  std::string name = "quasiseparable";
  std::string source = "projected";  ///< projected, table, generated
  int64_t state = 16, groups = 1, qk_dim = 16, Q = 64;
  int64_t expand = 2, headdim = 32;
  int64_t conv_width = 7;
  bool conv_causal = false;
  bool conv_bias = true;
  std::string conv_act = "silu";
  std::string gate = "after_norm";  ///< none, after_norm, before_norm
  bool norm = true;
  double norm_eps = 1e-5;
  bool residual_v = false;
  bool multiply_copies = false;  ///< of a mixer with two copies of the heads
  bool bias = false;             ///< of the in- and out-projection

  void fields(Fields& f);
};

struct ModelConfig {
  int64_t d_model = 128, layers = 4;
  int64_t mlp_width = 0;         ///< of an MLP after each mixer; 0: none
  std::string mlp_act = "gelu";  ///< relu, silu, gelu, tanh, none
  bool mlp_gated = false;
  int64_t max_positions = 0;  ///< longest sequence with learned positions; 0: none
  double dropout = 0;
  std::string norm = "layer";  ///< layer, rms
  MixerConfig mixer;

  void fields(Fields& f);
};

struct TrainConfig {
  int64_t batch = 32;  ///< rows a step
  int64_t steps = 1000;
  double lr = 2e-3;
  int64_t warmup = 100;
  double final_fraction = 0;
  double weight_decay = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, max_grad_norm = 1;  ///< 0: no clipping
  int64_t log_every = 50, evaluate_every = 500, checkpoint_every = 500;
  int64_t evaluate_rows = 512;  ///< held-out rows judged at evaluate_every; all of them at the end
  bool graph = true;            ///< on CUDA, with full rows: capture the step and replay it
  std::string dtype = "f32";    ///< f64, f32, tf32, bf16
  std::string device = "cpu";
  int64_t seed = 0;

  void fields(Fields& f);
};

/// One run, complete: every value that can change a result.
struct Config {
  std::string name = "run";
  DataConfig data;
  ModelConfig model;
  TrainConfig train;

  void fields(Fields& f);
};

/// Reads a JSON object. "base": "other.json" (relative to this file) is read first and overridden, as deep as it goes;
/// "made_by", which a run's own config.json has, is passed over. `set` are "model.mixer.state=32" overrides: the value
/// is JSON, an object goes into what is there as one of a file does, and a key for a text takes the value as it stands
/// (or as JSON, if it is in quotes). Missing keys keep their defaults.
/// Relative data.path and data.tokenizer become absolute: of the working folder or, if a file names them and nothing is
/// there, of that file's folder.
/// Error, one sentence with file and JSON path: unknown key (with the nearest known ones), a key twice, wrong type, bad
/// JSON, a circle of bases, a value that the key may not have, values that do not go together.
Config read_config(const std::filesystem::path& path, const std::vector<std::string>& set = {});
/// The same from text; `where` stands for the file in messages. "base" is refused.
Config parse_config(const std::string& text, const std::string& where);
/// Every field, as JSON that read_config reads back to the same value.
std::string to_json(const Config& config);

/// A key that two configs disagree on; its values as JSON.
struct ConfigDifference {
  std::string key, a, b;
};
/// In the order of the keys. Where files are does not count; that one names a vocabulary and the other none does.
std::vector<ConfigDifference> differences(const Config& a, const Config& b);

/// A key as docs/formats.md lists it: "train.batch", its default as JSON, and what it may be and stands for.
struct ConfigKey {
  std::string name, fallback, note;
};
std::vector<ConfigKey> config_keys();

}  // namespace matmix::experiments
