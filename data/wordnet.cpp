#include "data/wordnet.h"

#include <algorithm>
#include <charconv>

#include "data/text.h"
#include "tensor/error.h"

namespace matmix::data {
namespace {

constexpr const char* kReader = "read_wordnet";

struct Category {
  std::string_view file;
  std::string_view types;  ///< letters a synset of this file may have
  bool has_frames;
};
constexpr Category kCategories[] = {
    {"data.noun", "n", false}, {"data.verb", "v", true}, {"data.adj", "as", false}, {"data.adv", "r", false}};

/// Reads the fields of one line from the left; fields are separated by one space.
class Line {
 public:
  Line(std::string_view text, const std::filesystem::path& file, int64_t number)
      : rest_(text), file_(file), number_(number) {}

  std::string_view field(std::string_view what) {
    const size_t end = rest_.find(' ');
    if (end == 0 || end == std::string_view::npos) refuse(what, "a field followed by a space", rest_);
    const std::string_view found = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return found;
  }

  int64_t number(std::string_view what, size_t digits, int base) {
    const std::string_view found = field(what);
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(found.data(), found.data() + found.size(), value, base);
    if (found.size() != digits || error != std::errc() || end != found.data() + digits)
      refuse(what, text("of ", digits, base == 16 ? " hexadecimal digits" : " decimal digits"), found);
    return static_cast<int64_t>(value);
  }

  /// A field that is one of the letters.
  void letter(std::string_view what, std::string_view letters) {
    const std::string_view found = field(what);
    if (found.size() != 1 || letters.find(found) == std::string_view::npos)
      refuse(what, text("one of ", letters), found);
  }

  [[noreturn]] void refuse(std::string_view what, std::string_view rule, std::string_view got) const {
    constexpr size_t kShown = 40;
    fail(kReader, file_.native(), ":", number_, ": ", what, " must be ", rule, ", got \"", got.substr(0, kShown),
         got.size() > kShown ? "..." : "", "\"");
  }

  bool at_gloss() const { return rest_.starts_with("| "); }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  const std::filesystem::path& file_;
  int64_t number_;
};

std::string lemma(std::string_view word) {
  for (const std::string_view marker : {"(a)", "(p)", "(ip)"})
    if (word.ends_with(marker)) word.remove_suffix(marker.size());
  std::string plain(word);
  std::replace(plain.begin(), plain.end(), '_', ' ');
  return plain;
}

std::string read_words(Line& line) {
  const int64_t count = line.number("word count", 2, 16);
  if (count == 0) line.refuse("word count", "positive", "00");
  std::string first;
  for (int64_t i = 0; i < count; ++i) {
    const std::string_view word = line.field("word");
    if (lemma(word).empty()) line.refuse("word", "more than a marker", word);
    if (i == 0) first = lemma(word);
    line.number("lexical id", 1, 16);
  }
  return first;
}

void skip_pointers(Line& line) {
  const int64_t count = line.number("pointer count", 3, 10);
  for (int64_t i = 0; i < count; ++i) {
    line.field("pointer symbol");
    line.number("pointer offset", 8, 10);
    line.letter("pointer category", "nvasr");
    line.number("pointer source and target", 4, 16);
  }
}

void skip_frames(Line& line) {
  const int64_t count = line.number("frame count", 2, 10);
  for (int64_t i = 0; i < count; ++i) {
    line.letter("frame mark", "+");
    line.number("frame number", 2, 10);
    line.number("frame word", 2, 16);
  }
}

std::string read_gloss(const Line& line) {
  if (!line.at_gloss()) line.refuse("gloss", "announced by \"| \"", line.rest());
  const size_t begin = line.rest().find_first_not_of(' ', 1), end = line.rest().find_last_not_of(' ');
  if (begin == std::string_view::npos) line.refuse("gloss", "more than spaces", line.rest());
  return std::string(line.rest().substr(begin, end - begin + 1));
}

/// `offset` is where the line starts in its file, which is also the synset's name.
Synset read_synset(Line line, int64_t offset, const Category& category) {
  const int64_t stated = line.number("synset offset", 8, 10);
  if (stated != offset) line.refuse("synset offset", text(offset, ", the line's place in the file"), text(stated));
  Synset synset;
  synset.lexicographer_class = static_cast<int>(line.number("lexicographer class", 2, 10));
  if (synset.lexicographer_class >= kLexicographerClasses)
    line.refuse("lexicographer class", "00 to 44", text(synset.lexicographer_class));
  line.letter("synset type", category.types);
  synset.word = read_words(line);
  skip_pointers(line);
  if (category.has_frames && !line.at_gloss()) skip_frames(line);
  synset.gloss = read_gloss(line);
  return synset;
}

bool is_printable(std::string_view line) {
  return std::none_of(line.begin(), line.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

/// The licence comes first, in lines that start with two spaces; every line ends in a newline.
void read_category(const std::filesystem::path& folder, const Category& category, std::vector<Synset>& synsets) {
  const std::filesystem::path path = folder / category.file;
  const std::string all = read_utf8(path, kReader);
  const size_t before = synsets.size();
  int64_t number = 1;
  for (size_t begin = 0; begin < all.size(); ++number) {
    const size_t end = all.find('\n', begin);
    require(end != std::string::npos, kReader, path.native(), ":", number,
            ": the line must end in a newline, got the end of the file");
    const std::string_view line = std::string_view(all).substr(begin, end - begin);
    require(is_printable(line), kReader, path.native(), ":", number,
            ": the line must be printable text, got a control character");
    if (synsets.size() > before || !line.starts_with("  "))
      synsets.push_back(read_synset(Line(line, path, number), static_cast<int64_t>(begin), category));
    begin = end + 1;
  }
  require(synsets.size() > before, kReader, path.native(), ": must hold at least one synset, got none");
}

}  // namespace

std::vector<Synset> read_wordnet(const std::filesystem::path& folder) {
  std::vector<Synset> synsets;
  for (const Category& category : kCategories) read_category(folder, category, synsets);
  return synsets;
}

}  // namespace matmix::data
