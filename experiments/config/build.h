#pragma once

#include <memory>

#include "data/batch.h"
#include "data/tokenizer.h"
#include "experiments/config/config.h"
#include "nn/models/bert.h"
#include "tensor/safetensors.h"

namespace matmix::experiments {

/// The tokenizer of a config; null for data that is no text.
std::unique_ptr<data::Tokenizer> make_tokenizer(const DataConfig& config);
/// Its digest; "" for data that is no text.
std::string vocabulary_digest(const DataConfig& config);
/// Error if the ids of a checkpoint are those of another vocabulary than the config's.
void check_vocabulary(const TensorFile& checkpoint, const DataConfig& config);
/// Error "data.<key> ..." on an unknown kind, layout or tokenizer, and what reading the files says.
std::unique_ptr<data::Dataset> make_dataset(const DataConfig& config);
/// The mixer and its block.  max_len: the rows' length, for tables and classes of fixed size.
nn::MixerFactory make_mixer_factory(const ModelConfig& config, int64_t max_len);
/// The model for a data set's vocabulary and row length; no storage yet (that is ParameterStore's).
std::unique_ptr<nn::Bert> make_model(const ModelConfig& config, const data::RowForm& form);

}  // namespace matmix::experiments
