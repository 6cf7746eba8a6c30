#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/batch.h"
#include "data/corpus.h"
#include "data/masking.h"
#include "data/packing.h"
#include "data/tokenizer.h"

namespace matmix::data {

/// How examples become rows of L tokens:
///   kPadded  one example a row, the rest padding
///   kPacked  several examples a row, each a run of its own (packing.h)
///   kFull    the corpus as one stream with [SEP] between examples, cut every L tokens: one run a row, no padding, what
///            CUDA graphs need; tokens see the neighbours of their example
enum class Layout { kPadded, kPacked, kFull };

std::string_view to_string(Layout layout);
/// "padded", "packed" or "full"; Error naming them otherwise.
Layout parse_layout(std::string_view name);

struct MaskedTextOptions {
  int64_t L = 128;
  Layout layout = Layout::kPadded;
  Masking masking = {};
  uint64_t seed = 0;
};

/// Masked language modelling on a corpus. Each epoch shows all rows once, in a new order and with new masks; an
/// example's masks depend on (seed, epoch, example), not on its row. Held-out masks never change.
class MaskedText final : public Dataset {
 public:
  /// Error if a part is empty or, but in Layout::kFull, an example is longer than L, or if the training part has no
  /// token that could be predicted, or the held-out part none to predict.
  MaskedText(SplitCorpus corpus, const Vocabulary& vocabulary, const MaskedTextOptions& options);

  RowForm form() const override { return form_; }
  int64_t heldout_rows() const override;
  /// -mean log p over the held-out targets, p the frequencies (plus one each) of the training tokens that can be
  /// masked.
  double context_free_loss() const override;
  uint64_t digest() const override;

 private:
  struct Part {
    Corpus corpus;
    Packing rows;
  };

  Part lay_out(Corpus corpus, std::string_view name) const;
  Row train_row(int64_t index) const override;
  Row heldout_row(int64_t index) const override;
  Row masked_row(const Part& part, int64_t row, std::string_view stream, uint64_t epoch) const;
  std::vector<double> unigram_losses() const;

  Vocabulary vocabulary_;
  MaskedTextOptions options_;
  RowForm form_;
  Part train_, heldout_;
};

}  // namespace matmix::data
