#include "data/tokenizer.h"

#include <doctest/doctest.h>

#include "tensor/error.h"

using namespace matmix;
using namespace matmix::data;

TEST_CASE("bytes come back from the byte tokenizer whatever they are") {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const ByteTokenizer tokenizer;
  for (const std::string& text : {std::string(), std::string("plain"), std::string("\xff\xfe \xc3"), all, all + all}) {
    const Tokens tokens = tokenizer.encode(text);
    CHECK(tokens.ids.size() == text.size());
    CHECK(tokens.words.size() == text.size());
    CHECK(tokenizer.decode(tokens.ids) == text);
  }
}

TEST_CASE("a word is a longest run of bytes that are not white space") {
  const Tokens tokens = ByteTokenizer().encode(" ab\t\n,c  d");
  CHECK(tokens.ids == std::vector<int32_t>{' ', 'a', 'b', '\t', '\n', ',', 'c', ' ', ' ', 'd'});
  CHECK(tokens.words == std::vector<int32_t>{-1, 0, 0, -1, -1, 1, 1, -1, -1, 2});
  CHECK(ByteTokenizer().encode("\xc2\xa0\v\f\r").words == std::vector<int32_t>{0, 0, -1, -1, -1});
}

TEST_CASE("special tokens are ids of their own and are named in decoded text") {
  const ByteTokenizer tokenizer;
  const Vocabulary& known = tokenizer.vocabulary();
  CHECK(known.size == 261);
  for (int32_t id = 0; id < known.size; ++id) CHECK(known.is_special(id) == (id >= 256));
  const std::vector<int32_t> ids = {known.cls, 'a', known.mask, known.mask, 'b', known.unk, known.sep, known.pad};
  CHECK(tokenizer.decode(ids) == "[CLS]a[MASK][MASK]b[UNK][SEP][PAD]");
}

TEST_CASE("decode refuses ids outside the vocabulary") {
  const ByteTokenizer tokenizer;
  CHECK_THROWS_WITH_AS(tokenizer.decode(std::vector<int32_t>{'a', 261}), "Tokenizer: ids must be in [0, 261), got 261",
                       Error);
  CHECK_THROWS_WITH_AS(tokenizer.decode(std::vector<int32_t>{-1}), "Tokenizer: ids must be in [0, 261), got -1", Error);
}
