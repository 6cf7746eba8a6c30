#include "data/masking.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/error.h"

using namespace matmix;
using namespace matmix::data;

namespace {

const Vocabulary& vocabulary() {
  static const ByteTokenizer tokenizer;
  return tokenizer.vocabulary();
}

struct Masked {
  Tokens before;
  std::vector<int32_t> ids;
  std::vector<Target> targets;
};

Masked mask(std::string_view text, const Masking& masking, uint64_t step, int64_t room = 1 << 20) {
  Masked masked{ByteTokenizer().encode(text), {}, {}};
  masked.ids = masked.before.ids;
  const RandomKey key{.seed = 5, .stream = 6, .step = step};
  masked.targets = mask_words(masked.ids, masked.before.words, vocabulary(), masking, key, room);
  return masked;
}

std::string words_text(int words, int length) {
  std::string text;
  for (int i = 0; i < words; ++i)
    text += std::string(static_cast<size_t>(length), static_cast<char>('a' + i % 26)) + " ";
  return text;
}

}  // namespace

TEST_CASE("targets hold the true ids from the left, and nothing else has changed") {
  for (const bool whole_word : {false, true}) {
    for (uint64_t step = 0; step < 50; ++step) {
      const Masked masked = mask(words_text(30, 4), {.whole_word = whole_word}, step);
      std::vector<int32_t> restored = masked.ids;
      int64_t last = -1;
      for (const Target& target : masked.targets) {
        CHECK(target.position > last);
        last = target.position;
        restored[static_cast<size_t>(target.position)] = target.label;
      }
      CHECK(restored == masked.before.ids);
      CHECK(!masked.targets.empty());
    }
  }
}

TEST_CASE("whole words are masked, and no white space") {
  for (uint64_t step = 0; step < 50; ++step) {
    const Masked masked = mask("a bb ccc dddd eeeee ffffff", {.rate = 0.4}, step);
    std::vector<int> hidden(6, 0);
    for (const Target& target : masked.targets) {
      const int32_t word = masked.before.words[static_cast<size_t>(target.position)];
      REQUIRE(word != kNoWord);
      ++hidden[static_cast<size_t>(word)];
    }
    for (int word = 0; word < 6; ++word)
      CHECK((hidden[static_cast<size_t>(word)] == 0 || hidden[static_cast<size_t>(word)] == word + 1));
  }
}

TEST_CASE("what can be masked") {
  Tokens tokens = ByteTokenizer().encode("ab cd");
  tokens.ids[0] = vocabulary().cls;
  const auto count = [&](bool whole_word) {
    return maskable_words({tokens.ids, tokens.words}, vocabulary(), whole_word).size();
  };
  CHECK(count(true) == 2);
  CHECK(count(false) == 4);
  const std::vector<Word> words = maskable_words({tokens.ids, tokens.words}, vocabulary(), true);
  CHECK(words[0].begin == 1);
  CHECK(words[1].begin == 3);
  CHECK(words[1].end == 5);
}

TEST_CASE("15% of the words, of their tokens 80% [MASK], 10% random, 10% kept") {
  constexpr int kSteps = 400, kWords = 50, kLength = 5;
  double targets = 0, masks = 0, kept = 0, others = 0;
  for (uint64_t step = 0; step < kSteps; ++step) {
    const Masked masked = mask(words_text(kWords, kLength), {}, step);
    for (const Target& target : masked.targets) {
      const int32_t id = masked.ids[static_cast<size_t>(target.position)];
      ++targets;
      if (id == vocabulary().mask)
        ++masks;
      else if (id == target.label)
        ++kept;
      else
        ++others;
      CHECK((id == vocabulary().mask || id < 256));
    }
  }
  // Within four standard deviations, were the tokens independent.
  const auto near = [](double share, double want, double n) {
    return std::abs(share - want) < 4 * std::sqrt(want * (1 - want) / n);
  };
  CHECK(near(targets / (kSteps * kWords * kLength), 0.15, kSteps * kWords));
  CHECK(near(masks / targets, 0.8, targets));
  CHECK(near(others / targets, 0.1, targets));
  CHECK(near(kept / targets, 0.1, targets));
}

TEST_CASE("every example with a word has one masked, others none") {
  for (uint64_t step = 0; step < 20; ++step) {
    CHECK(mask("word", {.rate = 0.01}, step).targets.size() == 4);
    CHECK(mask(" \n ", {}, step).targets.empty());
    CHECK(mask("", {}, step).targets.empty());
    CHECK(mask("a b", {.rate = 1, .whole_word = false}, step).targets.size() == 3);
  }
}

TEST_CASE("room is never exceeded, words that do not fit are passed over, and one is cut if need be") {
  for (uint64_t step = 0; step < 50; ++step) {
    for (const int64_t room : {0, 1, 3, 7, 20}) {
      const Masked masked = mask(words_text(40, 7), {.rate = 0.5}, step, room);
      const size_t fit = static_cast<size_t>(room < 7 ? room : room / 7 * 7);
      CHECK(masked.targets.size() == fit);
    }
  }
}

TEST_CASE("the same key masks the same, another one differently") {
  const std::string text = words_text(60, 3);
  const Masked once = mask(text, {}, 1), again = mask(text, {}, 1), other = mask(text, {}, 2);
  CHECK(once.ids == again.ids);
  CHECK(once.targets == again.targets);
  CHECK(once.ids != other.ids);
}

TEST_CASE("room for targets follows from the options alone") {
  CHECK(targets_per_row(128, {}) == 37);
  CHECK(targets_per_row(512, {}) == 112);
  CHECK(targets_per_row(1, {}) == 1);
  CHECK(targets_per_row(100, {.rate = 1}) == 100);
  CHECK_THROWS_WITH_AS(targets_per_row(0, {}), "targets_per_row: L must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(targets_per_row(8, {.rate = 0}), "targets_per_row: rate must be in (0, 1], got 0", Error);
}
