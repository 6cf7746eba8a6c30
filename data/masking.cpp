#include "data/masking.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace matmix::data {
namespace {

constexpr double kShownAsMask = 0.8, kShownAtRandom = 0.1;

int64_t draw_count(int64_t words, double rate, RandomStream& random) {
  const int64_t count = static_cast<int64_t>(rate * static_cast<double>(words) + random.uniform());
  return std::clamp<int64_t>(count, 1, words);
}

/// `count` of the words in a random order, less those that do not fit; in the end from the left.
std::vector<Word> draw_words(std::vector<Word> words, int64_t count, int64_t room, RandomStream& random) {
  random.shuffle(words);
  words.resize(static_cast<size_t>(count));
  std::vector<Word> drawn;
  for (const Word& word : words) {
    if (word.end - word.begin > room) continue;
    room -= word.end - word.begin;
    drawn.push_back(word);
  }
  if (drawn.empty()) drawn.push_back({words[0].begin, words[0].begin + room});
  std::sort(drawn.begin(), drawn.end(), [](const Word& a, const Word& b) { return a.begin < b.begin; });
  return drawn;
}

int32_t ordinary_token(const Vocabulary& vocabulary, RandomStream& random) {
  int32_t id = vocabulary.mask;
  while (vocabulary.is_special(id)) id = static_cast<int32_t>(random.below(vocabulary.size));
  return id;
}

int32_t disguise(int32_t id, const Vocabulary& vocabulary, RandomStream& random) {
  const double choice = random.uniform();
  if (choice < kShownAsMask) return vocabulary.mask;
  if (choice < kShownAsMask + kShownAtRandom) return ordinary_token(vocabulary, random);
  return id;
}

}  // namespace

std::vector<Word> maskable_words(const Example& example, const Vocabulary& vocabulary, bool whole_word) {
  std::vector<Word> words;
  int32_t last = kNoWord;
  for (size_t t = 0; t < example.ids.size(); ++t) {
    const bool special = vocabulary.is_special(example.ids[t]);
    const int32_t word = special ? kNoWord : example.words[t];
    const int64_t at = static_cast<int64_t>(t);
    if (whole_word && word != kNoWord && word == last)
      words.back().end = at + 1;
    else if (whole_word ? word != kNoWord : !special)
      words.push_back({at, at + 1});
    last = word;
  }
  return words;
}

int64_t targets_per_row(int64_t L, const Masking& masking) {
  require(L > 0, "targets_per_row", "L must be positive, got ", L);
  require(masking.rate > 0 && masking.rate <= 1, "targets_per_row", "rate must be in (0, 1], got ", masking.rate);
  const double mean = masking.rate * static_cast<double>(L);
  return std::min(L, static_cast<int64_t>(std::ceil(mean + 4 * std::sqrt(mean))));
}

std::vector<Target> mask_words(std::span<int32_t> ids, std::span<const int32_t> words, const Vocabulary& vocabulary,
                               const Masking& masking, const RandomKey& key, int64_t room) {
  require(ids.size() == words.size(), "mask_words", "ids and words must have equal lengths, got ", ids.size(), " and ",
          words.size());
  const std::vector<Word> candidates = maskable_words({ids, words}, vocabulary, masking.whole_word);
  std::vector<Target> targets;
  if (candidates.empty() || room <= 0) return targets;
  RandomStream random(key);
  const int64_t count = draw_count(static_cast<int64_t>(candidates.size()), masking.rate, random);
  for (const Word& word : draw_words(candidates, count, room, random)) {
    for (int64_t t = word.begin; t < word.end; ++t) {
      int32_t& id = ids[static_cast<size_t>(t)];
      targets.push_back({t, id});
      id = disguise(id, vocabulary, random);
    }
  }
  return targets;
}

}  // namespace matmix::data
