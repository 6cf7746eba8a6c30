#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/tokenizer.h"

namespace matmix::data {

/// What BERT reads: the ids with [CLS] and [SEP] around them, and for each the segment (0 or 1) it belongs to.
struct Segments {
  std::vector<int32_t> ids;
  std::vector<int32_t> types;
};

/// [CLS] a [SEP], a cut at its end so that there are at most max_len tokens.  Error if max_len < 2.
Segments one_segment(const Vocabulary& vocabulary, std::span<const int32_t> a, int64_t max_len);
/// [CLS] a [SEP] b [SEP], of which the last [SEP] belongs to segment 1. If that is longer than max_len, the longer of a
/// and b is cut to the other's length and then both in turn; an odd token is left to the one that was longer, or to b
/// if they were equal, as in Hugging Face's tokenizers.  Error if max_len < 3.
Segments two_segments(const Vocabulary& vocabulary, std::span<const int32_t> a, std::span<const int32_t> b,
                      int64_t max_len);

}  // namespace matmix::data
