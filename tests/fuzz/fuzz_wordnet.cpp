#include <algorithm>
#include <array>

#include "data/wordnet.h"
#include "tests/fuzz/input_file.h"
#include "tests/support/temp_dir.h"

namespace {

constexpr std::array<const char*, 4> kNames{"data.noun", "data.verb", "data.adj", "data.adv"};
constexpr std::array<char, 4> kTypes{'n', 'v', 'a', 'r'};

/// WordNet's folder: the input's first byte says which file the rest is; the others hold one line that is in order.
std::filesystem::path folder_of(std::string_view input) {
  static const matmix::testing::TempDir folder;
  const size_t chosen = input.empty() ? 0 : static_cast<unsigned char>(input[0]) % kNames.size();
  for (size_t i = 0; i < kNames.size(); ++i) {
    const char* const frames = kTypes[i] == 'v' ? "00 " : "";
    const std::string good = matmix::text("00000000 00 ", kTypes[i], " 01 word 0 000 ", frames, "| what it means\n");
    folder.write(kNames[i], i == chosen ? input.substr(std::min<size_t>(1, input.size())) : good);
  }
  return folder.path();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  matmix::fuzz::read_or_refuse([&] {
    for (const auto& synset : matmix::data::read_wordnet(folder_of(matmix::fuzz::text_of(bytes, size))))
      matmix::fuzz::promise(!synset.word.empty() && !synset.gloss.empty() &&
                                synset.lexicographer_class < matmix::data::kLexicographerClasses,
                            "a synset has a word, a gloss and a class");
  });
  return 0;
}
