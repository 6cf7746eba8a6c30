#include "data/tokenizer.h"

#include "tensor/error.h"

namespace matmix::data {
namespace {

std::string_view special_text(const Vocabulary& vocabulary, int32_t id) {
  if (id == vocabulary.pad) return "[PAD]";
  if (id == vocabulary.cls) return "[CLS]";
  if (id == vocabulary.sep) return "[SEP]";
  if (id == vocabulary.mask) return "[MASK]";
  return "[UNK]";
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

constexpr Vocabulary kBytes{.size = 261, .pad = 256, .cls = 257, .sep = 258, .mask = 259, .unk = 260};

}  // namespace

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  const Vocabulary& known = vocabulary();
  std::string text;
  for (size_t begin = 0; begin < ids.size();) {
    size_t end = begin;
    for (; end < ids.size() && !known.is_special(ids[end]); ++end)
      require(ids[end] >= 0 && ids[end] < known.size, "decode", "ids must be in [0, ", known.size, "), got ", ids[end]);
    text += do_decode(ids.subspan(begin, end - begin));
    if (end < ids.size()) text += special_text(known, ids[end++]);
    begin = end;
  }
  return text;
}

const Vocabulary& ByteTokenizer::vocabulary() const { return kBytes; }

Tokens ByteTokenizer::encode(std::string_view text) const {
  Tokens tokens;
  tokens.ids.reserve(text.size());
  tokens.words.reserve(text.size());
  int32_t word = -1;
  bool in_word = false;
  for (const char c : text) {
    if (!is_space(c) && !in_word) ++word;
    in_word = !is_space(c);
    tokens.ids.push_back(static_cast<unsigned char>(c));
    tokens.words.push_back(in_word ? word : kNoWord);
  }
  return tokens;
}

std::string ByteTokenizer::do_decode(std::span<const int32_t> ids) const { return {ids.begin(), ids.end()}; }

}  // namespace matmix::data
