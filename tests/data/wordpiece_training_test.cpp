#include "data/wordpiece_training.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "data/wordpiece.h"
#include "tensor/error.h"
#include "tensor/random.h"

using namespace matmix;
using namespace matmix::data;

namespace {

using Strings = std::vector<std::string>;

/// The definition, without a heap: counts everything anew for each piece.
Strings train_by_definition(const Strings& words, Strings vocabulary, size_t size) {
  std::map<std::string, int32_t> ids;
  for (const std::string& piece : vocabulary) ids.emplace(piece, ids.size());
  std::vector<Strings> cut;
  for (const std::string& word : words) {
    cut.emplace_back();
    for (const char c : word) cut.back().push_back((cut.back().empty() ? "" : "##") + std::string(1, c));
  }
  while (vocabulary.size() < size) {
    std::map<std::pair<int32_t, int32_t>, int64_t> counts;
    for (const Strings& word : cut)
      for (size_t i = 1; i < word.size(); ++i) ++counts[{ids[word[i - 1]], ids[word[i]]}];
    const auto best = std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; });
    if (best == counts.end() || best->second < 2) break;
    const std::string left = vocabulary[static_cast<size_t>(best->first.first)],
                      right = vocabulary[static_cast<size_t>(best->first.second)], joined = left + right.substr(2);
    if (ids.emplace(joined, vocabulary.size()).second) vocabulary.push_back(joined);
    for (Strings& word : cut) {
      Strings shorter;
      for (size_t i = 0; i < word.size(); ++i) {
        const bool here = i + 1 < word.size() && word[i] == left && word[i + 1] == right;
        shorter.push_back(here ? joined : word[i]);
        i += here;
      }
      word = shorter;
    }
  }
  return vocabulary;
}

/// Words of the first `letters` letters, which are much alike.
Strings random_words(size_t n, int64_t letters, uint64_t seed) {
  RandomStream random({.seed = seed});
  Strings words;
  for (size_t i = 0; i < n; ++i) {
    words.emplace_back();
    for (int64_t k = random.below(9); k >= 0; --k) words.back() += static_cast<char>('a' + random.below(letters));
  }
  return words;
}

}  // namespace

TEST_CASE("law: the vocabulary is that of the definition, whatever the order of the texts") {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    Strings words = random_words(200, 2 + static_cast<int64_t>(seed), seed);
    const Strings trained = train_vocabulary(words, {.size = 80});
    const Strings start = train_vocabulary(words, {.size = 5 + 2 * (2 + static_cast<int64_t>(seed))});
    CHECK(trained == train_by_definition(words, start, 80));
    std::ranges::reverse(words);
    CHECK(train_vocabulary(words, {.size = 80}) == trained);
  }
}

TEST_CASE("law: a smaller vocabulary is the start of a larger one, and all pieces differ") {
  const Strings words = random_words(300, 5, 9);
  const Strings large = train_vocabulary(words, {.size = 120});
  CHECK(large.size() == 120);
  for (const int64_t size : {15, 16, 60, 119})
    CHECK(train_vocabulary(words, {.size = size}) == Strings(large.begin(), large.begin() + size));
  CHECK(std::set(large.begin(), large.end()).size() == large.size());
}

TEST_CASE("law: every word of the characters seen can be cut") {
  const WordPiece tokenizer(train_vocabulary(Strings{"Abc, d\xc3\xa9"
                                                     "f! \xe4\xb8\xad"
                                                     "x",
                                                     "ccc abab"},
                                             {.size = 60}));
  for (const char* text : {"fedcba", "x,x",
                           "cab! \xe4\xb8\xad\xe4\xb8\xad"
                           "fx"})
    for (const int32_t id : tokenizer.encode(text).ids) CHECK(id != tokenizer.vocabulary().unk);
}

TEST_CASE("a vocabulary by hand") {
  CHECK(train_vocabulary(Strings{"ab ab abc, bc"}, {.size = 100}) ==
        Strings{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", "a", "b", "c", "##a", "##b", "##c", "ab"});
  // ab and the pair (b, ##c) stand twice: a comes before b
  CHECK(train_vocabulary(Strings{"bc ab ab bc"}, {.size = 13}) ==
        Strings{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##a", "##b", "##c", "ab", "bc"});
}

TEST_CASE("casing decides what is counted") {
  const Strings texts = {"Ab AB ab"};
  CHECK(train_vocabulary(texts, {.size = 10}).back() == "ab");
  CHECK(train_vocabulary(texts, {.size = 13, .casing = Casing::kCased}).size() == 13);
}

TEST_CASE("what cannot be trained is refused") {
  CHECK_THROWS_WITH_AS(train_vocabulary(Strings{" \xff\t", ""}, {}),
                       "train_vocabulary: the texts must hold at least one word, got none", Error);
  CHECK_THROWS_WITH_AS(
      train_vocabulary(Strings{"ab"}, {.size = 8}),
      "train_vocabulary: size must be at least 9, the special tokens and the characters of the texts, got 8", Error);
}
