#include "data/corpus.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tensor/error.h"

using namespace matmix;
using namespace matmix::data;

namespace {

std::vector<Synset> some_synsets(int n) {
  std::vector<Synset> synsets;
  for (int i = 0; i < n; ++i) synsets.push_back({"word" + std::to_string(i), "gloss of it", i % 45});
  return synsets;
}

std::string text_of(const Corpus& corpus, int64_t i) { return ByteTokenizer().decode(corpus[i].ids); }

std::set<std::string> texts_of(const Corpus& corpus) {
  std::set<std::string> texts;
  for (int64_t i = 0; i < corpus.size(); ++i) texts.insert(text_of(corpus, i));
  return texts;
}

}  // namespace

TEST_CASE("glosses read word : gloss, cut at max_len") {
  const std::vector<Synset> synsets = {{"cat", "feline mammal", 5}, {"ox", "", 5}};
  const Corpus whole = gloss_corpus(synsets, ByteTokenizer(), {.heldout = 0}).train;
  REQUIRE(whole.size() == 2);
  CHECK(text_of(whole, 0) == "cat : feline mammal");
  CHECK(text_of(whole, 1) == "ox : ");
  CHECK(whole.tokens() == 24);
  CHECK(whole[0].words[6] == 2);
  const Corpus cut = gloss_corpus(synsets, ByteTokenizer(), {.max_len = 8, .heldout = 0}).train;
  CHECK(text_of(cut, 0) == "cat : fe");
}

TEST_CASE("paragraphs are cut into examples without loss") {
  const Corpus corpus = text_corpus({"abcdefgh", "xyz"}, ByteTokenizer(), {.max_len = 3, .heldout = 0}).train;
  REQUIRE(corpus.size() == 4);
  CHECK(text_of(corpus, 0) + text_of(corpus, 1) + text_of(corpus, 2) == "abcdefgh");
  CHECK(text_of(corpus, 2) == "gh");
  CHECK(text_of(corpus, 3) == "xyz");
}

TEST_CASE("the split is by text and seed, not by order, company or tokenizer's cut") {
  std::vector<Synset> synsets = some_synsets(2000);
  const CorpusOptions options{.heldout = 0.1, .seed = 7};
  const SplitCorpus split = gloss_corpus(synsets, ByteTokenizer(), options);
  CHECK(split.train.size() + split.heldout.size() == 2000);
  CHECK(split.heldout.size() > 140);
  CHECK(split.heldout.size() < 260);

  std::reverse(synsets.begin(), synsets.end());
  CHECK(texts_of(gloss_corpus(synsets, ByteTokenizer(), options).heldout) == texts_of(split.heldout));
  synsets.resize(1000);
  const std::set<std::string> all = texts_of(split.heldout);
  for (const std::string& text : texts_of(gloss_corpus(synsets, ByteTokenizer(), options).heldout))
    CHECK(all.contains(text));
  const CorpusOptions other{.heldout = 0.1, .seed = 8};
  CHECK(texts_of(gloss_corpus(some_synsets(2000), ByteTokenizer(), other).heldout) != texts_of(split.heldout));
}

TEST_CASE("equal texts and the pieces of a paragraph fall on one side") {
  const std::vector<std::string> paragraphs(50, "the same paragraph, cut into many pieces");
  const SplitCorpus split = text_corpus(paragraphs, ByteTokenizer(), {.max_len = 4, .heldout = 0.5, .seed = 3});
  CHECK((split.train.size() == 0) != (split.heldout.size() == 0));
}

TEST_CASE("a stream holds the examples in order with separators, in rows of exactly L") {
  Corpus corpus;
  const Tokens ab = ByteTokenizer().encode("a bc"), de = ByteTokenizer().encode("de");
  corpus.add({ab.ids, ab.words});
  corpus.add({de.ids, de.words});
  const Corpus rows = as_stream(corpus, 3, 258);
  REQUIRE(rows.size() == 2);
  CHECK(text_of(rows, 0) == "a b");
  CHECK(text_of(rows, 1) == "c[SEP]d");
  CHECK(std::vector<int32_t>(rows[0].words.begin(), rows[0].words.end()) == std::vector<int32_t>{0, -1, 1});
  CHECK(std::vector<int32_t>(rows[1].words.begin(), rows[1].words.end()) == std::vector<int32_t>{1, -1, 2});
  CHECK(as_stream(corpus, 8, 258).size() == 0);
  CHECK(as_stream(Corpus(), 8, 258).size() == 0);
}

TEST_CASE("the digest sees every token and every border") {
  const auto digest = [](const std::vector<std::string>& texts) {
    return text_corpus(texts, ByteTokenizer(), {.heldout = 0}).train.digest();
  };
  CHECK(digest({"ab", "c"}) == digest({"ab", "c"}));
  CHECK(digest({"ab", "c"}) != digest({"a", "bc"}));
  CHECK(digest({"ab", "c"}) != digest({"ab", "d"}));
  CHECK(Corpus().digest() != digest({"a"}));
}

TEST_CASE("wrong arguments of a corpus are refused") {
  const std::vector<std::string> texts = {"a"};
  CHECK_THROWS_WITH_AS(text_corpus(texts, ByteTokenizer(), {.max_len = 0}),
                       "text_corpus: max_len must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(gloss_corpus({}, ByteTokenizer(), {.heldout = 1.5}),
                       "gloss_corpus: heldout must be in [0, 1], got 1.5", Error);
  CHECK_THROWS_WITH_AS(as_stream(Corpus(), 0, 1), "as_stream: L must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(Corpus()[0], "Corpus: index must be in [0, 0), got 0", Error);
  const std::vector<int32_t> ids = {1, 2}, words = {0};
  CHECK_THROWS_WITH_AS(Corpus().add({ids, words}), "Corpus: ids and words must have equal lengths, got 2 and 1", Error);
}
