#include <algorithm>

#include "data/wordpiece.h"
#include "tests/fuzz/input_file.h"

/// The input is a vocab.txt, and then the text that its tokenizer reads.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using matmix::fuzz::promise;
  const std::string_view text = matmix::fuzz::text_of(bytes, size);
  matmix::fuzz::read_or_refuse([&] {
    const matmix::data::WordPiece tokenizer(matmix::data::parse_vocabulary(text, "input"));
    const matmix::data::Tokens tokens = tokenizer.encode(text);
    for (const auto& span : tokens.spans)
      promise(0 <= span.begin && span.begin <= span.end && span.end <= static_cast<int64_t>(size), "spans are bytes");
    promise(std::ranges::all_of(tokens.ids, [&](int32_t id) { return id >= 0 && id < tokenizer.vocabulary().size; }),
            "ids are pieces");
    tokenizer.decode(tokens.ids);
  });
  return 0;
}
