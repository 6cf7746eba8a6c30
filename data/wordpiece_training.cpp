#include "data/wordpiece_training.h"

#include <algorithm>
#include <map>
#include <queue>
#include <unordered_map>

#include "data/unicode.h"
#include "tensor/error.h"

namespace matmix::data {
namespace {

constexpr size_t kMaxAlphabet = 1000;
constexpr int64_t kMinPairs = 2;

using WordCounts = std::map<std::string, int64_t>;

WordCounts count_words(std::span<const std::string> texts, Casing casing) {
  std::unordered_map<std::string, int64_t> counts;
  for (const std::string& text : texts)
    for_each_bert_word(text, casing, [&](const BertWord& word) {
      if (word.characters <= kLongestWord) ++counts[std::string(word.bytes)];
    });
  return {counts.begin(), counts.end()};
}

std::vector<int32_t> characters_of(std::string_view word) {
  std::vector<int32_t> codes;
  while (!word.empty()) {
    const Character c = first_character(word);
    codes.push_back(c.code);
    word.remove_prefix(static_cast<size_t>(c.bytes));
  }
  return codes;
}

/// The most frequent characters in ascending order; ties to the smaller code point.
std::vector<int32_t> alphabet_of(const WordCounts& words) {
  std::map<int32_t, int64_t> counts;
  for (const auto& [word, count] : words)
    for (const int32_t code : characters_of(word)) counts[code] += count;
  std::vector<std::pair<int64_t, int32_t>> ranked;
  for (const auto& [code, count] : counts) ranked.emplace_back(-count, code);
  std::ranges::sort(ranked);
  ranked.resize(std::min(ranked.size(), kMaxAlphabet));
  std::vector<int32_t> alphabet;
  for (const auto& [count, code] : ranked) alphabet.push_back(code);
  std::ranges::sort(alphabet);
  return alphabet;
}

std::string utf8(int32_t code) {
  std::string text;
  append_utf8(text, code);
  return text;
}

/// Two neighbouring pieces as one number, ordered by the left id, then the right one.
using Pair = uint64_t;
Pair pair_of(int32_t left, int32_t right) { return static_cast<Pair>(left) << 32 | static_cast<Pair>(right); }
int32_t left_of(Pair pair) { return static_cast<int32_t>(pair >> 32); }
int32_t right_of(Pair pair) { return static_cast<int32_t>(pair & 0xffffffff); }

/// The words cut into pieces, the pieces so far, and how often each two stand side by side.
class Merger {
 public:
  explicit Merger(const WordCounts& words) {
    for (const SpecialToken& special : kSpecialTokens) id_of(std::string(special.text));
    const std::vector<int32_t> alphabet = alphabet_of(words);
    for (const int32_t code : alphabet) id_of(utf8(code));
    for (const int32_t code : alphabet)
      if (!stands_alone(code)) id_of("##" + utf8(code));
    for (const auto& [word, count] : words) add_word(word, count);
    for (const auto& [pair, facts] : pairs_) candidates_.push({facts.count, pair});
  }

  const std::vector<std::string>& pieces() const { return pieces_; }

  /// Joins the most frequent pair wherever it stands; false if none is left.
  bool merge_best() {
    while (!candidates_.empty()) {
      const Candidate best = candidates_.top();
      if (best.count < kMinPairs) return false;
      candidates_.pop();
      const int64_t count = count_of(best.pair);
      if (count == best.count) {
        merge(best.pair);
        return true;
      }
      if (count < best.count) candidates_.push({count, best.pair});
    }
    return false;
  }

 private:
  struct CutWord {
    std::vector<int32_t> pieces;
    int64_t count;
  };
  struct PairFacts {
    int64_t count = 0;
    std::vector<int32_t> words;  ///< that hold it, and some that did
  };
  /// Counts only fall, but for pairs with the newest piece, which are pushed anew: the first candidate whose count is
  /// still true is the best.
  struct Candidate {
    int64_t count;
    Pair pair;
    bool operator<(const Candidate& o) const { return count != o.count ? count < o.count : pair > o.pair; }
  };

  int32_t id_of(const std::string& piece) {
    const auto [found, is_new] = ids_.emplace(piece, static_cast<int32_t>(pieces_.size()));
    if (is_new) pieces_.push_back(piece);
    return found->second;
  }

  int64_t count_of(Pair pair) const {
    const auto found = pairs_.find(pair);
    return found == pairs_.end() ? 0 : found->second.count;
  }

  /// Words with a character outside the alphabet take no part.
  void add_word(const std::string& word, int64_t count) {
    CutWord cut{{}, count};
    for (const int32_t code : characters_of(word)) {
      const auto found = ids_.find((cut.pieces.empty() ? "" : "##") + utf8(code));
      if (found == ids_.end()) return;
      cut.pieces.push_back(found->second);
    }
    const int32_t index = static_cast<int32_t>(words_.size());
    for (size_t i = 1; i < cut.pieces.size(); ++i) {
      PairFacts& facts = pairs_[pair_of(cut.pieces[i - 1], cut.pieces[i])];
      facts.count += count;
      facts.words.push_back(index);
    }
    words_.push_back(std::move(cut));
  }

  void merge(Pair pair) {
    const int32_t joined =
        id_of(pieces_[static_cast<size_t>(left_of(pair))] + pieces_[static_cast<size_t>(right_of(pair))].substr(2));
    std::vector<int32_t> words = std::move(pairs_[pair].words);
    std::ranges::sort(words);
    words.erase(std::unique(words.begin(), words.end()), words.end());
    std::vector<Pair> grown;
    for (const int32_t index : words) {
      CutWord& word = words_[static_cast<size_t>(index)];
      for (size_t i = 1; i < word.pieces.size(); ++i)
        pairs_[pair_of(word.pieces[i - 1], word.pieces[i])].count -= word.count;
      join(word.pieces, pair, joined);
      for (size_t i = 1; i < word.pieces.size(); ++i) {
        const Pair now = pair_of(word.pieces[i - 1], word.pieces[i]);
        PairFacts& facts = pairs_[now];
        facts.count += word.count;
        if (word.pieces[i - 1] != joined && word.pieces[i] != joined) continue;
        facts.words.push_back(index);
        grown.push_back(now);
      }
    }
    pairs_.erase(pair);
    std::ranges::sort(grown);
    grown.erase(std::unique(grown.begin(), grown.end()), grown.end());
    for (const Pair now : grown) candidates_.push({count_of(now), now});
  }

  static void join(std::vector<int32_t>& pieces, Pair pair, int32_t joined) {
    size_t kept = 0;
    for (size_t i = 0; i < pieces.size(); ++i) {
      const bool here = i + 1 < pieces.size() && pair_of(pieces[i], pieces[i + 1]) == pair;
      pieces[kept++] = here ? joined : pieces[i];
      if (here) ++i;
    }
    pieces.resize(kept);
  }

  std::vector<std::string> pieces_;
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<CutWord> words_;
  std::unordered_map<Pair, PairFacts> pairs_;
  std::priority_queue<Candidate> candidates_;
};

}  // namespace

std::vector<std::string> train_vocabulary(std::span<const std::string> texts, const VocabularyOptions& options) {
  constexpr int64_t kMost = int64_t{1} << 24;
  require(options.size <= kMost, "train_vocabulary", "size must be at most ", kMost, ", got ", options.size);
  const WordCounts words = count_words(texts, options.casing);
  require(!words.empty(), "train_vocabulary", "the texts must hold at least one word, got none");
  Merger merger(words);
  const auto size = [&] { return static_cast<int64_t>(merger.pieces().size()); };
  require(options.size >= size(), "train_vocabulary", "size must be at least ", size(),
          ", the special tokens and the characters of the texts, got ", options.size);
  while (size() < options.size && merger.merge_best()) continue;
  return merger.pieces();
}

}  // namespace matmix::data
