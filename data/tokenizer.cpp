#include "data/tokenizer.h"

#include "tensor/error.h"
#include "tensor/random.h"

namespace matmix::data {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

constexpr Vocabulary kBytes{.size = 261, .pad = 256, .cls = 257, .sep = 258, .mask = 259, .unk = 260};

}  // namespace

void Tokens::add(int32_t id, int32_t word, const Span& span) {
  ids.push_back(id);
  words.push_back(word);
  spans.push_back(span);
}

void Tokens::cut(size_t count) {
  ids.resize(count);
  words.resize(count);
  spans.resize(count);
}

std::string Tokenizer::piece(int32_t id) const {
  const int32_t size = vocabulary().size;
  require(id >= 0 && id < size, "Tokenizer", "ids must be in [0, ", size, "), got ", id);
  return do_piece(id);
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) append(text, piece(id));
  return text;
}

uint64_t Tokenizer::digest() const {
  std::string all;
  for (int32_t id = 0; id < vocabulary().size; ++id) all += text(do_piece(id), "\n");
  return stream_of(all);
}

const Vocabulary& ByteTokenizer::vocabulary() const { return kBytes; }

Tokens ByteTokenizer::encode(std::string_view text) const {
  Tokens tokens;
  int32_t word = -1;
  bool in_word = false;
  int64_t at = 0;
  for (const char c : text) {
    if (!is_space(c) && !in_word) ++word;
    in_word = !is_space(c);
    tokens.add(static_cast<unsigned char>(c), in_word ? word : kNoWord, {at, at + 1});
    ++at;
  }
  return tokens;
}

std::string ByteTokenizer::do_piece(int32_t id) const {
  for (const SpecialToken& special : kSpecialTokens)
    if (id == kBytes.*special.id) return std::string(special.text);
  return {static_cast<char>(id)};
}

}  // namespace matmix::data
