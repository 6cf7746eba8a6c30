#include "experiments/config/build.h"

#include <filesystem>

#include "data/corpus.h"
#include "data/masked_text.h"
#include "data/recall.h"
#include "data/text.h"
#include "data/wordnet.h"
#include "data/wordpiece.h"
#include "experiments/config/input.h"
#include "mixers/implicit_filter.h"
#include "mixers/registry.h"
#include "tensor/file.h"

namespace matmix::experiments {
namespace {

/// The value that goes with `name` in a short list of choices; Error naming them.
template <class T>
T choose(const char* key, const std::string& name, std::initializer_list<std::pair<const char*, T>> choices) {
  std::string known;
  for (const auto& [label, value] : choices) {
    if (name == label) return value;
    known += text(known.empty() ? "" : ", ", label);
  }
  fail("config", key, " must be one of ", known, ", got '", name, "'");
}

std::unique_ptr<data::Dataset> masked_text(const DataConfig& c, data::SplitCorpus corpus,
                                           const data::Vocabulary& vocabulary) {
  return std::make_unique<data::MaskedText>(
      std::move(corpus), vocabulary,
      data::MaskedTextOptions{.L = c.max_len,
                              .layout = data::parse_layout(c.layout),
                              .masking = {.rate = c.mask_rate, .whole_word = c.whole_word},
                              .seed = static_cast<uint64_t>(c.seed)});
}

mixers::BlockOptions block_options(const ModelConfig& model, int64_t max_len) {
  const MixerConfig& c = model.mixer;
  using mixers::Gate, mixers::Source;
  return {.d_model = model.d_model,
          .expand = c.expand,
          .headdim = c.headdim,
          .conv_width = c.conv_width,
          .conv_causal = c.conv_causal,
          .conv_bias = c.conv_bias,
          .conv_act = parse_activation(c.conv_act),
          .gate = choose<Gate>(
              "model.mixer.gate", c.gate,
              {{"none", Gate::kNone}, {"after_norm", Gate::kAfterNorm}, {"before_norm", Gate::kBeforeNorm}}),
          .norm = c.norm,
          .norm_eps = c.norm_eps,
          .residual_v = c.residual_v,
          .multiply_copies = c.multiply_copies,
          .bias = c.bias,
          .source = choose<Source>("model.mixer.source", c.source,
                                   {{"projected", mixers::Projected{}},
                                    {"table", mixers::Table{max_len}},
                                    {"generated", mixers::implicit_filters({.scale_len = max_len})}})};
}

}  // namespace

std::unique_ptr<data::Tokenizer> make_tokenizer(const DataConfig& c) {
  if (c.kind == "recall") return nullptr;
  if (c.tokenizer == "bytes") return std::make_unique<data::ByteTokenizer>();
  require(std::filesystem::is_regular_file(c.tokenizer) || reads_once(c.tokenizer), "config",
          "data.tokenizer must be bytes or the path of a vocabulary, got '", c.tokenizer, "'");
  return std::make_unique<data::WordPiece>(data::parse_wordpiece(read_input(c.tokenizer), c.tokenizer));
}

std::string vocabulary_digest(const DataConfig& c) {
  const auto tokenizer = make_tokenizer(c);
  return tokenizer ? text(tokenizer->digest()) : "";
}

void check_vocabulary(const TensorFile& checkpoint, const DataConfig& config) {
  const auto saved = checkpoint.metadata.find("vocabulary");
  require(saved == checkpoint.metadata.end() || saved->second == vocabulary_digest(config), "checkpoint",
          "its ids are those of another vocabulary than that of data.tokenizer, ", config.tokenizer);
}

std::unique_ptr<data::Dataset> make_dataset(const DataConfig& c) {
  const uint64_t seed = static_cast<uint64_t>(c.seed);
  if (c.kind == "recall")
    return std::make_unique<data::Recall>(data::RecallOptions{.pairs = c.pairs,
                                                              .queries = c.queries,
                                                              .keys = c.keys,
                                                              .values = c.values,
                                                              .heldout_rows = c.heldout_rows,
                                                              .seed = seed});
  const auto tokenizer = make_tokenizer(c);
  const data::CorpusOptions options{.max_len = c.max_len, .heldout = c.heldout, .seed = seed};
  if (c.kind == "glosses")
    return masked_text(c, data::gloss_corpus(data::read_wordnet(c.path), *tokenizer, options), tokenizer->vocabulary());
  require(c.kind == "text", "config", "data.kind must be one of glosses, text, recall, got '", c.kind, "'");
  return masked_text(c, data::text_corpus(data::parse_text(read_input(c.path), c.path), *tokenizer, options),
                     tokenizer->vocabulary());
}

nn::MixerFactory make_mixer_factory(const ModelConfig& config, int64_t max_len) {
  const MixerConfig& c = config.mixer;
  const mixers::MixerRow& row = mixers::find_mixer(c.name);
  const mixers::BlockOptions block = block_options(config, max_len);
  const mixers::MixerSizes sizes{
      .state = c.state, .groups = c.groups, .qk_dim = c.qk_dim, .max_len = max_len, .Q = c.Q};
  return [=, &row](int64_t) {
    return std::make_unique<mixers::MixerBlock>(
        block, [&](const mixers::BlockShape& shape) { return row.make(shape, sizes); });
  };
}

std::unique_ptr<nn::Bert> make_model(const ModelConfig& c, const data::RowForm& form) {
  const nn::EncoderOptions encoder{
      .d_model = c.d_model,
      .layers = c.layers,
      .norm = choose<NormKind>("model.norm", c.norm, {{"layer", NormKind::kLayer}, {"rms", NormKind::kRms}}),
      .mlp_width = c.mlp_width,
      .mlp = {.act = parse_activation(c.mlp_act), .gated = c.mlp_gated},
      .dropout = c.dropout};
  return std::make_unique<nn::Bert>(nn::BertOptions{.vocab_size = form.vocab_size,
                                                    .max_positions = c.max_positions,
                                                    .embedding_dropout = c.dropout,
                                                    .encoder = encoder},
                                    make_mixer_factory(c, form.L));
}

}  // namespace matmix::experiments
