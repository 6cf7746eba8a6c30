#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace matmix::data {

/// One meaning of WordNet: a word for it, what it means, and which of the 45 classes it is filed under.
struct Synset {
  std::string word;             ///< the first lemma, its underscores as spaces, without an adjective's marker "(p)"
  std::string gloss;            ///< definition and examples, without white space around
  int lexicographer_class = 0;  ///< [0, kLexicographerClasses): lexnames(5WN)
};

inline constexpr int kLexicographerClasses = 45;

/// data.noun, data.verb, data.adj and data.adv of a folder (Debian: wordnet-base, /usr/share/wordnet), in this order.
/// Every field of every line is checked; Error "read_wordnet: FILE:LINE: ..." says what was expected and what was got.
/// Format: wndb(5WN).
std::vector<Synset> read_wordnet(const std::filesystem::path& folder);

}  // namespace matmix::data
