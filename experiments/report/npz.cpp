#include "experiments/report/npz.h"

#include <algorithm>
#include <array>

#include "data/unicode.h"
#include "tensor/error.h"
#include "tensor/npy.h"

namespace matmix::experiments {
namespace {

/// The checksum of zip, bit by bit.
uint32_t crc32(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < t.size(); ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = t[i] >> 1 ^ (t[i] & 1 ? 0xedb88320u : 0u);
    }
    return t;
  }();
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

void append(std::string& bytes, uint64_t value, int width) {
  for (int k = 0; k < width; ++k) bytes += static_cast<char>(value >> 8 * k & 0xff);
}

/// Files one after the other, each behind its header, then the list of all headers.
class Zip {
 public:
  void add(const std::string& name, const std::string& content) {
    require(files_.size() + content.size() < UINT32_MAX, "npz", "must hold less than 4 GiB, got more at ", name);
    std::string header;
    append(header, 20, 2);        // version 2.0
    append(header, 0, 4);         // no flags, stored
    append(header, 0x210000, 4);  // 1980-01-01, so that equal content gives equal bytes
    append(header, crc32(content), 4);
    append(header, content.size(), 4);
    append(header, content.size(), 4);
    append(header, name.size(), 2);
    append(header, 0, 2);  // nothing extra
    const uint64_t place = files_.size();
    files_ += "PK\3\4" + header + name + content;
    list_ += "PK\1\2" + std::string("\x14\0", 2) + header;
    append(list_, 0, 10);  // no comment, first disk, no attributes
    append(list_, place, 4);
    list_ += name;
    ++count_;
  }
  std::string bytes() const {
    std::string end = "PK\5\6" + std::string(4, '\0');
    for (int k = 0; k < 2; ++k) append(end, count_, 2);
    append(end, list_.size(), 4);
    append(end, files_.size(), 4);
    append(end, 0, 2);
    return files_ + list_ + end;
  }

 private:
  std::string files_, list_;
  uint64_t count_ = 0;
};

/// An array of strings, each as many code points as the longest has.
std::string encode_npy(const std::vector<std::string>& words) {
  std::vector<std::vector<int32_t>> codes;
  size_t longest = 1;
  for (std::string_view word : words) {
    for (codes.emplace_back(); !word.empty();) {
      const data::Character c = data::first_character(word);
      codes.back().push_back(c.code);
      word.remove_prefix(static_cast<size_t>(c.bytes));
    }
    longest = std::max(longest, codes.back().size());
  }
  std::string header = text("{'descr': '<U", longest, "', 'fortran_order': False, 'shape': (", words.size(), ",), }");
  header.resize(118 - 1, ' ');  // 10 bytes and these are 128
  std::string bytes = std::string("\x93NUMPY\1\0", 8);
  append(bytes, header.size() + 1, 2);
  bytes += header + '\n';
  for (std::vector<int32_t>& word : codes) {
    word.resize(longest);
    for (const int32_t code : word) append(bytes, static_cast<uint64_t>(code), 4);
  }
  return bytes;
}

}  // namespace

std::string encode_npz(const NpzContent& content) {
  Zip zip;
  for (const auto& [name, x] : content.arrays) zip.add(name + ".npy", encode_npy(x));
  for (const auto& [name, words] : content.words) zip.add(name + ".npy", encode_npy(words));
  return zip.bytes();
}

}  // namespace matmix::experiments
