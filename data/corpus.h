#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/tokenizer.h"
#include "data/wordnet.h"

namespace matmix::data {

/// One tokenised text, a window on a Corpus; ids and words have equal lengths (see Tokens).
struct Example {
  std::span<const int32_t> ids;
  std::span<const int32_t> words;
};

/// Tokenised texts, end to end.
class Corpus {
 public:
  int64_t size() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  int64_t tokens() const { return offsets_.back(); }
  Example operator[](int64_t i) const;
  /// Does nothing for an example without tokens.
  void add(const Example& example);
  /// A hash of everything in it.
  uint64_t digest() const;

 private:
  std::vector<int32_t> ids_, words_;
  std::vector<int64_t> offsets_{0};
};

/// What is learned from, and what the learning is judged by.
struct SplitCorpus {
  Corpus train, heldout;
};

/// A text is held out with probability `heldout`, by its own bytes and the seed: the split does not depend on the order
/// or presence of other texts nor on the tokenizer, and equal texts fall on one side.
struct CorpusOptions {
  int64_t max_len = 128;  ///< tokens of an example at most
  double heldout = 0.05;
  uint64_t seed = 0;
};

/// The text of a meaning, "word : gloss".
std::string gloss_line(const Synset& synset);
/// One example a meaning; what goes beyond max_len is dropped.
SplitCorpus gloss_corpus(const std::vector<Synset>& synsets, const Tokenizer& tokenizer, const CorpusOptions& options);
/// Paragraphs cut into examples of max_len tokens, the last one of a paragraph shorter.
SplitCorpus text_corpus(const std::vector<std::string>& paragraphs, const Tokenizer& tokenizer,
                        const CorpusOptions& options);
/// The examples one after another with `separator` between, cut into examples of exactly L tokens; the rest at the end
/// is dropped.
Corpus as_stream(const Corpus& corpus, int64_t L, int32_t separator);

}  // namespace matmix::data
