#include "data/masked_text.h"

#include <array>
#include <cmath>
#include <numeric>

#include "data/permutation.h"
#include "tensor/error.h"

namespace matmix::data {
namespace {

constexpr std::array<std::string_view, 3> kLayouts = {"padded", "packed", "full"};

std::vector<int64_t> checked_lengths(const Corpus& corpus, int64_t L, const Vocabulary& vocabulary) {
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < corpus.size(); ++i) {
    const std::span<const int32_t> ids = corpus[i].ids;
    lengths.push_back(static_cast<int64_t>(ids.size()));
    require(lengths.back() <= L, "MaskedText", "examples must have at most L = ", L, " tokens, got ", lengths.back());
    for (const int32_t id : ids)
      require(id >= 0 && id < vocabulary.size, "MaskedText", "ids must be in [0, ", vocabulary.size, "), got ", id);
  }
  return lengths;
}

/// Words that the vocabulary lacks are no targets.
template <class Has>
void require_any(const char* part, const char* what, int64_t count, const Has& has) {
  for (int64_t i = 0; i < count; ++i)
    if (has(i)) return;
  fail("MaskedText", "the ", part, " part must hold at least one ", what,
       ", got none; does the vocabulary fit the text?");
}

std::vector<int64_t> shuffled(int64_t n, const RandomKey& key) {
  const Permutation permutation(n, key);
  std::vector<int64_t> order;
  for (int64_t i = 0; i < n; ++i) order.push_back(permutation(i));
  return order;
}

}  // namespace

std::string_view to_string(Layout layout) { return kLayouts[static_cast<size_t>(layout)]; }

Layout parse_layout(std::string_view name) {
  for (size_t i = 0; i < kLayouts.size(); ++i)
    if (kLayouts[i] == name) return static_cast<Layout>(i);
  fail("parse_layout", "layout must be padded, packed or full, got ", name);
}

MaskedText::MaskedText(SplitCorpus corpus, const Vocabulary& vocabulary, const MaskedTextOptions& options)
    : vocabulary_(vocabulary),
      options_(options),
      form_{.L = options.L,
            .targets = targets_per_row(options.L, options.masking),
            .vocab_size = vocabulary.size,
            .pad = vocabulary.pad},
      train_(lay_out(std::move(corpus.train), "training")),
      heldout_(lay_out(std::move(corpus.heldout), "held-out")) {
  const auto has_word = [&](int64_t i) {
    return !maskable_words(train_.corpus[i], vocabulary_, options_.masking.whole_word).empty();
  };
  const auto has_target = [&](int64_t row) { return !heldout_row(row).targets.empty(); };
  require_any("training", "token that could be predicted", train_.corpus.size(), has_word);
  require_any("held-out", "token to predict", heldout_rows(), has_target);
}

MaskedText::Part MaskedText::lay_out(Corpus corpus, std::string_view name) const {
  const int64_t L = options_.L;
  if (options_.layout == Layout::kFull) corpus = as_stream(corpus, L, vocabulary_.sep);
  const int64_t n = corpus.size();
  require(n > 0, "MaskedText", "the ", name, " part must fill at least one row, got none; L is ", L);
  const std::vector<int64_t> lengths = checked_lengths(corpus, L, vocabulary_);
  Packing rows;
  if (options_.layout == Layout::kPacked)
    rows = pack_rows(lengths, shuffled(n, {.seed = options_.seed, .stream = stream_of("data/pack")}), L);
  else
    for (int64_t i = 0; i < n; ++i) rows.push_back({i});
  return {std::move(corpus), std::move(rows)};
}

int64_t MaskedText::heldout_rows() const { return static_cast<int64_t>(heldout_.rows.size()); }

Row MaskedText::train_row(int64_t index) const {
  const int64_t rows = static_cast<int64_t>(train_.rows.size());
  const uint64_t epoch = static_cast<uint64_t>(index / rows);
  const RandomKey key{.seed = options_.seed, .stream = stream_of("data/shuffle"), .step = epoch};
  return masked_row(train_, Permutation(rows, key)(index % rows), "data/mask/train", epoch);
}

Row MaskedText::heldout_row(int64_t index) const { return masked_row(heldout_, index, "data/mask/heldout", 0); }

Row MaskedText::masked_row(const Part& part, int64_t index, std::string_view stream, uint64_t epoch) const {
  Row row;
  const uint64_t shown_before = epoch * static_cast<uint64_t>(part.corpus.size());
  for (const int64_t i : part.rows[static_cast<size_t>(index)]) {
    const Example example = part.corpus[i];
    const int64_t start = static_cast<int64_t>(row.ids.size());
    row.ids.insert(row.ids.end(), example.ids.begin(), example.ids.end());
    row.run_lengths.push_back(static_cast<int64_t>(example.ids.size()));
    const int64_t room = form_.targets - static_cast<int64_t>(row.targets.size());
    const RandomKey key{options_.seed, stream_of(stream), shown_before + static_cast<uint64_t>(i)};
    const std::span<int32_t> ids = std::span(row.ids).subspan(static_cast<size_t>(start));
    for (const Target& target : mask_words(ids, example.words, vocabulary_, options_.masking, key, room))
      row.targets.push_back({start + target.position, target.label});
  }
  return row;
}

std::vector<double> MaskedText::unigram_losses() const {
  std::vector<double> counts(static_cast<size_t>(vocabulary_.size), 1);
  for (int64_t i = 0; i < train_.corpus.size(); ++i) {
    const Example example = train_.corpus[i];
    for (const Word& word : maskable_words(example, vocabulary_, options_.masking.whole_word))
      for (int64_t t = word.begin; t < word.end; ++t)
        ++counts[static_cast<size_t>(example.ids[static_cast<size_t>(t)])];
  }
  const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
  for (double& count : counts) count = std::log(total / count);
  return counts;
}

double MaskedText::context_free_loss() const {
  const std::vector<double> losses = unigram_losses();
  double sum = 0;
  int64_t targets = 0;
  for (int64_t row = 0; row < heldout_rows(); ++row) {
    for (const Target& target : heldout_row(row).targets) {
      sum += losses[static_cast<size_t>(target.label)];
      ++targets;
    }
  }
  return sum / static_cast<double>(targets);
}

uint64_t MaskedText::digest() const {
  return stream_of(text("masked text ", train_.corpus.digest(), " ", heldout_.corpus.digest(), " ", vocabulary_.size,
                        " ", vocabulary_.mask, " ", options_.L, " ", options_.layout, " ", options_.masking.rate, " ",
                        options_.masking.whole_word, " ", options_.seed));
}

}  // namespace matmix::data
