#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/bert_words.h"

namespace matmix::data {

struct VocabularyOptions {
  int64_t size = 4096;
  Casing casing = Casing::kUncased;
};

/// A WordPiece vocabulary for texts. In this order: the special tokens; the characters (the 1000 most frequent at most,
/// in the order of their code points); those that do not stand alone again, as "##c"; then one piece after another,
/// each made of the two neighbours that occur most often in the words as they are cut by then, ties to the pair whose
/// left, then right part is older. Ends at `size` pieces, or when no two stand side by side twice. So every word of
/// these characters can be cut. A pure function of the texts and options, whatever the order of the texts.
/// Error if `size` does not hold the special tokens and the characters, or there are no words.
/// Source: the pieces of Schuster and Nakajima 2012, "Japanese and Korean voice search", chosen by their frequency
/// (Sennrich et al. 2016) as in the WordPiece trainer of Hugging Face's tokenizers.
std::vector<std::string> train_vocabulary(std::span<const std::string> texts, const VocabularyOptions& options);

}  // namespace matmix::data
