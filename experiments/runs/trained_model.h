#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer.h"
#include "experiments/config/config.h"
#include "mixers/block.h"
#include "nn/models/bert.h"
#include "nn/parameter_store.h"

namespace matmix::experiments {

/// A text as a model reads it.
struct Sentence {
  std::vector<int32_t> ids;
  std::vector<std::string> pieces;  ///< what each id is written as
};

struct Guess {
  std::string piece;
  double probability = 0;
};
/// "cat 0.1234".
std::string to_string(const Guess& guess);

/// A [MASK] of a sentence and what could stand there, the likeliest first.
struct Blank {
  int64_t position = 0;
  std::vector<Guess> guesses;
};

/// The model of a run as its last checkpoint left it, to be asked about single texts; the data set is not read.
class TrainedModel {
 public:
  /// device, dtype: "" for those of the run's config. Error if the run learned no text, or another vocabulary than its
  /// config names now.
  TrainedModel(const std::filesystem::path& run, const std::string& device, const std::string& dtype);

  const Config& config() const { return config_; }
  /// "[MASK]" is the token to be told, whatever the tokenizer. Error if the text has no token.
  Sentence read(std::string_view text) const;
  /// The `top` likeliest pieces for each [MASK], all told at once. Special tokens are never among them.
  std::vector<Blank> fill(const Sentence& sentence, int64_t top) const;
  /// The mixer's matrices [heads, L, L] of each layer, F64 on the CPU; their rows and columns are the sentence's
  /// tokens.
  std::vector<Tensor> matrices(const Sentence& sentence) const;
  /// The same by the fast form.
  std::vector<Tensor> matrices_by_mix(const Sentence& sentence) const;

 private:
  Var encode(const Sentence& sentence) const;
  /// matrix(block, what it is given) of each layer.
  std::vector<Tensor> each_layer(const Sentence& sentence,
                                 const std::function<Var(const mixers::MixerBlock&, const Var&)>& matrix) const;

  Config config_;
  std::unique_ptr<data::Tokenizer> tokenizer_;
  std::unique_ptr<nn::Bert> model_;
  std::unique_ptr<nn::ParameterStore> store_;
};

}  // namespace matmix::experiments
