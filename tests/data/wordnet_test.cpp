#include "data/wordnet.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdio>

#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::data;
using matmix::testing::TempDir;

namespace {

constexpr const char* kLicence = "  1 A licence.  \n";
constexpr const char* kEntity = "03 n 01 entity 0 000 | that which is perceived  ";

/// A licence line, then the synsets, each with its place in the file in front.
std::string wndb(const std::vector<std::string>& synsets) {
  std::string bytes = kLicence;
  for (const std::string& synset : synsets) {
    std::array<char, 16> offset{};
    std::snprintf(offset.data(), offset.size(), "%08zu ", bytes.size());
    bytes += offset.data() + synset + "\n";
  }
  return bytes;
}

void write_wordnet(const TempDir& folder, const std::string& nouns) {
  folder.write("data.noun", nouns);
  folder.write("data.verb",
               wndb({"29 v 02 take_a_breath 0 respire a 001 * 00005041 v 0000 02 + 02 00 + 08 01 | draw air",
                     "30 v 01 change 0 000 | become different"}));
  folder.write("data.adj", wndb({"00 a 01 able(p) 0 001 ! 00002098 a 0101 | having | power; \"able to swim\" ",
                                 "00 s 01 well_known(ip) 1 000 | known", "44 a 01 f(x) 0 000 | g"}));
  folder.write("data.adv", wndb({"02 r 01 a_cappella 0 000 | without musical accompaniment"}));
}

/// The message with which a noun file of these bytes is refused, from the line number on.
std::string refusal(const std::string& nouns) {
  const TempDir folder;
  write_wordnet(folder, nouns);
  try {
    read_wordnet(folder.path());
  } catch (const Error& error) {
    const std::string message = error.what(), head = "read_wordnet: " + (folder.path() / "data.noun").native() + ":";
    REQUIRE(message.starts_with(head));
    return message.substr(head.size());
  }
  return "accepted";
}

std::string refusal_of(const std::string& synset) { return refusal(wndb({kEntity, synset})); }

}  // namespace

TEST_CASE("words, glosses and classes of a small WordNet") {
  const TempDir folder;
  write_wordnet(folder, wndb({kEntity}));
  const std::vector<Synset> synsets = read_wordnet(folder.path());
  REQUIRE(synsets.size() == 7);
  const std::array<const char*, 7> words = {"entity",     "take a breath", "change",    "able",
                                            "well known", "f(x)",          "a cappella"};
  const std::array<int, 7> classes = {3, 29, 30, 0, 0, 44, 2};
  for (size_t i = 0; i < synsets.size(); ++i) {
    CHECK(synsets[i].word == words[i]);
    CHECK(synsets[i].lexicographer_class == classes[i]);
  }
  CHECK(synsets[0].gloss == "that which is perceived");
  CHECK(synsets[1].gloss == "draw air");
  CHECK(synsets[3].gloss == "having | power; \"able to swim\"");
}

TEST_CASE("a damaged line is refused with its number, what was expected and what was got") {
  CHECK(refusal(wndb({kEntity})) == "accepted");
  CHECK(refusal_of("45 n 01 x 0 000 | g") == "3: lexicographer class must be 00 to 44, got \"45\"");
  CHECK(refusal_of("3 n 01 x 0 000 | g") == "3: lexicographer class must be of 2 decimal digits, got \"3\"");
  CHECK(refusal_of("03 v 01 x 0 000 | g") == "3: synset type must be one of n, got \"v\"");
  CHECK(refusal_of("03 n 00 x 0 000 | g") == "3: word count must be positive, got \"00\"");
  CHECK(refusal_of("03 n 0g x 0 000 | g") == "3: word count must be of 2 hexadecimal digits, got \"0g\"");
  CHECK(refusal_of("03 n 01 (p) 0 000 | g") == "3: word must be more than a marker, got \"(p)\"");
  CHECK(refusal_of("03 n 01  0 000 | g") == "3: word must be a field followed by a space, got \" 0 000 | g\"");
  CHECK(refusal_of("03 n 02 x 0 000 | g") == "3: lexical id must be of 1 hexadecimal digits, got \"|\"");
  CHECK(refusal_of("03 n 01 x 0 -01 | g") == "3: pointer count must be of 3 decimal digits, got \"-01\"");
  CHECK(refusal_of("03 n 01 x 0 001 @ 00000017 q 0000 | g") == "3: pointer category must be one of nvasr, got \"q\"");
  CHECK(refusal_of("03 n 01 x 0 001 | " + std::string(60, 'y')) ==
        "3: pointer offset must be a field followed by a space, got \"" + std::string(40, 'y') + "...\"");
  CHECK(refusal_of("03 n 01 x 0 000 g") == "3: gloss must be announced by \"| \", got \"g\"");
  CHECK(refusal_of("03 n 01 x 0 000 |   ") == "3: gloss must be more than spaces, got \"|   \"");
  CHECK(refusal_of("03 n 01 x 0 000 | g\r") == "3: the line must be printable text, got a control character");
  CHECK(refusal_of("") == "3: lexicographer class must be a field followed by a space, got \"\"");
}

TEST_CASE("a damaged file is refused") {
  CHECK(refusal(kLicence + std::string("00000018 ") + kEntity + "\n") ==
        "2: synset offset must be 17, the line's place in the file, got \"18\"");
  CHECK(refusal(wndb({kEntity}) + kLicence) ==
        "3: synset offset must be a field followed by a space, got \"" + std::string(kLicence, 16) + "\"");
  std::string cut = wndb({kEntity});
  cut.pop_back();
  CHECK(refusal(cut) == "2: the line must end in a newline, got the end of the file");
  for (const char* empty : {"", kLicence}) CHECK(refusal(empty) == " must hold at least one synset, got none");
  CHECK_THROWS_AS(read_wordnet("/nowhere"), Error);
}

TEST_CASE("random damage never does worse than an Error") {
  const std::string good = wndb({kEntity, "03 n 02 a 0 b 0 001 @ 00000017 n 0101 | gloss", kEntity});
  RandomStream random({.seed = 1});
  int accepted = 0;
  for (int round = 0; round < 300; ++round) {
    std::string bytes = good;
    const size_t at = static_cast<size_t>(random.below(static_cast<int64_t>(bytes.size())));
    if (random.below(4) == 0)
      bytes.resize(at);
    else
      bytes[at] = static_cast<char>(random.below(256));
    accepted += refusal(bytes) == "accepted";
  }
  CHECK(accepted < 200);
}

TEST_CASE("the WordNet that Debian packages has 117,659 meanings in 45 classes") {
  const std::filesystem::path folder = "/usr/share/wordnet";
  if (!std::filesystem::exists(folder / "data.noun")) return;
  const std::vector<Synset> synsets = read_wordnet(folder);
  CHECK(synsets.size() == 117659);
  std::array<int, kLexicographerClasses> sizes{};
  for (const Synset& synset : synsets) ++sizes[static_cast<size_t>(synset.lexicographer_class)];
  CHECK(sizes[0] == 14435);
  CHECK(sizes[16] == 42);
  CHECK(sizes[44] == 60);
  CHECK(synsets.front().word == "entity");
  CHECK(synsets.back().gloss.find("  ") != 0);
}
