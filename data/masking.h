#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/batch.h"
#include "data/corpus.h"
#include "data/tokenizer.h"
#include "tensor/random.h"

namespace matmix::data {

/// BERT's masked language modelling: a share of the words is to be told from the rest. Of their tokens 80% are shown
/// as [MASK], 10% as another token at random, 10% as they are; all of them are targets.
/// Source: Devlin et al. 2019, section 3.1 and appendix A.1; whole words: the authors' release of May 2019.
struct Masking {
  double rate = 0.15;
  bool whole_word = true;  ///< else every token, white space too, is a word of its own
};

/// Tokens [begin, end) of an example that are masked together.
struct Word {
  int64_t begin = 0, end = 0;
};

/// What can be masked, from the left. Special tokens cannot, and in whole-word mode nothing that is in no word.
std::vector<Word> maskable_words(const Example& example, const Vocabulary& vocabulary, bool whole_word);

/// Targets that a row of L tokens has room for: min(L, ceil(m + 4 sqrt(m))), m = rate L, the tokens masked on average.
/// It depends on nothing else, so that shapes are static; words for which a row has no room are dropped. Measured on
/// whole words of byte-level glosses: 0.3% of rows come near it at L = 128, none at L = 512.
int64_t targets_per_row(int64_t L, const Masking& masking);

/// Masks an example in place and returns what its ids were, from the left. The number of words is rate times the words
/// there are, rounded up or down at random so that its mean is exact, and at least 1. Words are drawn in a random
/// order; one with more tokens than are left of `room` is passed over, but if that leaves none, the first is cut to
/// `room`. A pure function of its arguments.
std::vector<Target> mask_words(std::span<int32_t> ids, std::span<const int32_t> words, const Vocabulary& vocabulary,
                               const Masking& masking, const RandomKey& key, int64_t room);

}  // namespace matmix::data
