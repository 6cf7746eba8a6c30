#include "data/corpus.h"

#include <algorithm>

#include "tensor/random.h"

namespace matmix::data {
namespace {

template <class T>
uint64_t hash(const std::vector<T>& values) {
  return stream_of({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

Example part_of(const Tokens& tokens, int64_t begin, int64_t length) {
  const size_t start = static_cast<size_t>(begin);
  const size_t count = std::min(static_cast<size_t>(length), tokens.ids.size() - start);
  return {std::span(tokens.ids).subspan(start, count), std::span(tokens.words).subspan(start, count)};
}

void check(const CorpusOptions& options, std::string_view where) {
  require(options.max_len > 0, where, "max_len must be positive, got ", options.max_len);
  require(options.heldout >= 0 && options.heldout <= 1, where, "heldout must be in [0, 1], got ", options.heldout);
}

Corpus& side_of(std::string_view text, const CorpusOptions& options, SplitCorpus& split) {
  const RandomKey key{.seed = options.seed, .stream = stream_of(text)};
  return RandomStream(key).uniform() < options.heldout ? split.heldout : split.train;
}

}  // namespace

Example Corpus::operator[](int64_t i) const {
  require(i >= 0 && i < size(), "Corpus", "index must be in [0, ", size(), "), got ", i);
  const size_t begin = static_cast<size_t>(offsets_[static_cast<size_t>(i)]);
  const size_t count = static_cast<size_t>(offsets_[static_cast<size_t>(i) + 1]) - begin;
  return {std::span(ids_).subspan(begin, count), std::span(words_).subspan(begin, count)};
}

void Corpus::add(const Example& example) {
  require(example.ids.size() == example.words.size(), "Corpus", "ids and words must have equal lengths, got ",
          example.ids.size(), " and ", example.words.size());
  if (example.ids.empty()) return;
  ids_.insert(ids_.end(), example.ids.begin(), example.ids.end());
  words_.insert(words_.end(), example.words.begin(), example.words.end());
  offsets_.push_back(static_cast<int64_t>(ids_.size()));
}

uint64_t Corpus::digest() const { return hash(std::vector<uint64_t>{hash(ids_), hash(words_), hash(offsets_)}); }

std::string gloss_line(const Synset& synset) { return synset.word + " : " + synset.gloss; }

SplitCorpus gloss_corpus(const std::vector<Synset>& synsets, const Tokenizer& tokenizer, const CorpusOptions& options) {
  check(options, "gloss_corpus");
  SplitCorpus split;
  for (const Synset& synset : synsets) {
    const std::string line = gloss_line(synset);
    side_of(line, options, split).add(part_of(tokenizer.encode(line), 0, options.max_len));
  }
  return split;
}

SplitCorpus text_corpus(const std::vector<std::string>& paragraphs, const Tokenizer& tokenizer,
                        const CorpusOptions& options) {
  check(options, "text_corpus");
  SplitCorpus split;
  for (const std::string& paragraph : paragraphs) {
    Corpus& side = side_of(paragraph, options, split);
    const Tokens tokens = tokenizer.encode(paragraph);
    const int64_t length = static_cast<int64_t>(tokens.ids.size());
    for (int64_t begin = 0; begin < length; begin += options.max_len) side.add(part_of(tokens, begin, options.max_len));
  }
  return split;
}

Corpus as_stream(const Corpus& corpus, int64_t L, int32_t separator) {
  require(L > 0, "as_stream", "L must be positive, got ", L);
  Tokens all;
  int32_t first_word = 0;
  for (int64_t i = 0; i < corpus.size(); ++i) {
    if (i > 0) {
      all.ids.push_back(separator);
      all.words.push_back(kNoWord);
    }
    const Example example = corpus[i];
    all.ids.insert(all.ids.end(), example.ids.begin(), example.ids.end());
    for (const int32_t word : example.words) all.words.push_back(word == kNoWord ? kNoWord : first_word + word);
    first_word += *std::max_element(example.words.begin(), example.words.end()) + 1;
  }
  Corpus rows;
  for (int64_t end = L; end <= static_cast<int64_t>(all.ids.size()); end += L) rows.add(part_of(all, end - L, L));
  return rows;
}

}  // namespace matmix::data
