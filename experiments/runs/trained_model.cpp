#include "experiments/runs/trained_model.h"

#include <fmt/format.h>

#include "autograd/no_grad.h"
#include "data/unicode.h"
#include "experiments/config/build.h"
#include "experiments/runs/run_folder.h"
#include "mixers/sample_matrix.h"
#include "nn/probe.h"
#include "ops/softmax/softmax.h"
#include "ops/topk/topk.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

constexpr std::string_view kMask = "[MASK]";

Config config_for(const std::filesystem::path& run, const std::string& device, const std::string& dtype) {
  Config config = config_of_run(run);
  if (!device.empty()) config.train.device = device;
  if (!dtype.empty()) config.train.dtype = dtype;
  require(config.data.kind != "recall", run.string(), "learned from no text but ", config.data.kind);
  return config;
}

Runs one_run(const Sentence& sentence) { return Runs::full(1, static_cast<int64_t>(sentence.ids.size())); }

}  // namespace

std::string to_string(const Guess& guess) { return fmt::format("{} {:.4f}", guess.piece, guess.probability); }

TrainedModel::TrainedModel(const std::filesystem::path& run, const std::string& device, const std::string& dtype)
    : config_(config_for(run, device, dtype)),
      tokenizer_(make_tokenizer(config_.data)),
      model_(make_model(config_.model, {.L = config_.data.max_len, .vocab_size = tokenizer_->vocabulary().size})) {
  const Checkpoint checkpoint = newest_checkpoint(run);
  check_vocabulary(checkpoint.state, config_.data);
  store_ = std::make_unique<nn::ParameterStore>(*model_, parse_device(config_.train.device),
                                                parse_math_mode(config_.train.dtype), 0);
  store_->load(checkpoint.state, {.also = kTrainingState});
}

Sentence TrainedModel::read(std::string_view text) const {
  require(data::is_utf8(text), "text", "must be UTF-8, got '", text, "'");
  Sentence sentence;
  for (;;) {
    const size_t at = text.find(kMask);
    const std::vector<int32_t> part = tokenizer_->encode(text.substr(0, at)).ids;
    sentence.ids.insert(sentence.ids.end(), part.begin(), part.end());
    if (at == std::string_view::npos) break;
    sentence.ids.push_back(tokenizer_->vocabulary().mask);
    text.remove_prefix(at + kMask.size());
  }
  require(!sentence.ids.empty(), "--text", "must hold a token, and this one holds none");
  for (const int32_t id : sentence.ids) sentence.pieces.push_back(tokenizer_->piece(id));
  return sentence;
}

Var TrainedModel::encode(const Sentence& sentence) const {
  const Tensor ids = from_vector(std::vector<int64_t>(sentence.ids.begin(), sentence.ids.end()),
                                 {1, static_cast<int64_t>(sentence.ids.size())});
  return model_->encode(to(ids, store_->device()), one_run(sentence));
}

std::vector<Blank> TrainedModel::fill(const Sentence& sentence, int64_t top) const {
  const data::Vocabulary& vocabulary = tokenizer_->vocabulary();
  std::vector<int64_t> positions;
  for (size_t i = 0; i < sentence.ids.size(); ++i)
    if (sentence.ids[i] == vocabulary.mask) positions.push_back(static_cast<int64_t>(i));
  if (positions.empty()) return {};
  const NoGrad no_history;
  const Tf32Scope tf32(store_->mode() == MathMode::kTF32);
  const Var logits = model_->logits(encode(sentence), to(from_vector(positions), store_->device()));
  const auto special = static_cast<int64_t>(std::size(data::kSpecialTokens));
  const TopK best = topk(softmax(logits), std::min<int64_t>(top + special, vocabulary.size));
  const std::vector<double> probabilities = to_vector<double>(best.values.value());
  const std::vector<int64_t> ids = to_vector<int64_t>(best.indices);
  const size_t found = ids.size() / positions.size();
  std::vector<Blank> blanks;
  for (size_t k = 0; k < positions.size(); ++k) {
    Blank& blank = blanks.emplace_back(Blank{positions[k], {}});
    for (size_t i = k * found; i < (k + 1) * found && static_cast<int64_t>(blank.guesses.size()) < top; ++i) {
      const auto id = static_cast<int32_t>(ids[i]);
      if (!vocabulary.is_special(id)) blank.guesses.push_back({tokenizer_->piece(id), probabilities[i]});
    }
  }
  return blanks;
}

std::vector<Tensor> TrainedModel::each_layer(
    const Sentence& sentence, const std::function<Var(const mixers::MixerBlock&, const Var&)>& matrix) const {
  const NoGrad no_history;
  const Tf32Scope tf32(store_->mode() == MathMode::kTF32);
  std::vector<Var> inputs;
  {
    const nn::Probe probe;
    encode(sentence);
    for (const auto& [path, x] : probe.values())
      if (path.ends_with(".mixer_input")) inputs.push_back(x);
  }
  std::vector<Tensor> matrices;
  for (const Var& x : inputs) {
    const nn::SequenceMixer& mixer = model_->encoder().mixer(static_cast<int64_t>(matrices.size()));
    matrices.push_back(mixers::first_matrix(matrix(dynamic_cast<const mixers::MixerBlock&>(mixer), x)));
  }
  return matrices;
}

std::vector<Tensor> TrainedModel::matrices(const Sentence& sentence) const {
  return each_layer(sentence, [&](const auto& block, const Var& x) { return *block.matrix(x, one_run(sentence)); });
}

std::vector<Tensor> TrainedModel::matrices_by_mix(const Sentence& sentence) const {
  return each_layer(sentence,
                    [&](const auto& block, const Var& x) { return block.matrix_by_mix(x, one_run(sentence)); });
}

}  // namespace matmix::experiments
