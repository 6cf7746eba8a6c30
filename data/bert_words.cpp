#include "data/bert_words.h"

#include <array>
#include <string>
#include <vector>

#include "data/unicode.h"

namespace matmix::data {
namespace {

enum class Kind : uint8_t { kDropped, kWhite, kAlone, kInWord };

Kind kind_of(int32_t code) {
  if (is_dropped(code)) return Kind::kDropped;
  if (is_white(code)) return Kind::kWhite;
  return stands_alone(code) ? Kind::kAlone : Kind::kInWord;
}

/// The kinds of ASCII, which most text is.
const std::array<Kind, 128>& ascii_kinds() {
  static const std::array<Kind, 128> kinds = [] {
    std::array<Kind, 128> table;
    for (size_t c = 0; c < table.size(); ++c) table[c] = kind_of(static_cast<int32_t>(c));
    return table;
  }();
  return kinds;
}

class Splitter {
 public:
  Splitter(Casing casing, const std::function<void(const BertWord&)>& sink) : casing_(casing), sink_(sink) {}

  void run(std::string_view text) {
    for (size_t at = 0; at < text.size();) {
      const int64_t begin = static_cast<int64_t>(at);
      const unsigned char first = static_cast<unsigned char>(text[at]);
      if (first < 0x80) {
        take_ascii(first, begin);
        ++at;
        continue;
      }
      const Character c = first_character(text.substr(at));
      take(c.code, {begin, begin + c.bytes});
      at += static_cast<size_t>(c.bytes);
    }
    finish();
  }

 private:
  void take_ascii(unsigned char c, int64_t at) {
    const Kind kind = kinds_[c];
    if (kind == Kind::kDropped) return;
    if (kind != Kind::kInWord) finish();
    if (kind == Kind::kWhite) return;
    const bool upper = c >= 'A' && c <= 'Z' && casing_ == Casing::kUncased;
    word_ += static_cast<char>(upper ? c + ('a' - 'A') : c);
    origin_.push_back({at, at + 1});
    ++characters_;
    if (kind == Kind::kAlone) finish();
  }

  void take(int32_t code, const Span& from) {
    const Kind kind = kind_of(code);
    if (kind == Kind::kDropped) return;
    if (kind != Kind::kInWord) finish();
    if (kind == Kind::kWhite) return;
    if (casing_ == Casing::kCased) {
      append(code, from);
      return;
    }
    std::array<int32_t, kMaxDecomposed> parts;
    const int count = decompose(code, parts.data());
    for (const int32_t part : std::span(parts).first(static_cast<size_t>(count)))
      if (!is_accent(part)) append(to_lower(part), from);
  }

  void append(int32_t code, const Span& from) {
    const bool alone = stands_alone(code);
    if (alone) finish();
    append_utf8(word_, code);
    origin_.resize(word_.size(), from);
    ++characters_;
    if (alone) finish();
  }

  void finish() {
    if (word_.empty()) return;
    sink_({word_, origin_, characters_});
    word_.clear();
    origin_.clear();
    characters_ = 0;
  }

  Casing casing_;
  const std::function<void(const BertWord&)>& sink_;
  const std::array<Kind, 128>& kinds_ = ascii_kinds();
  std::string word_;
  std::vector<Span> origin_;
  int64_t characters_ = 0;
};

}  // namespace

void for_each_bert_word(std::string_view text, Casing casing, const std::function<void(const BertWord&)>& sink) {
  Splitter(casing, sink).run(text);
}

bool stands_alone(int32_t code) { return is_punctuation(code) || is_ideograph(code); }

}  // namespace matmix::data
