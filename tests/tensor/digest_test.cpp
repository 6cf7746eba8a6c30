#include "tensor/digest.h"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>

using namespace matmix;

TEST_CASE("XXH64: values of the reference implementation") {
  const auto of = [](std::string_view text, uint64_t seed = 0) { return digest_of(text.data(), text.size(), seed); };
  CHECK(of("") == 0xef46db3751d8e999);
  CHECK(of("a") == 0xd24ec4f1a98c6e5b);
  CHECK(of("abc") == 0x44bc2cf5ad770999);
  CHECK(of("Nobody inspects the spammish repetition") == 0xfbcea83c8a378bf1);
  CHECK(of("xxhash") == 0x32dd38952c4bc720);
  CHECK(of("xxhash", 20141025) == 0xb559b98d844e0635);
}

TEST_CASE("every flipped bit and every other length gives another digest") {
  std::string bytes(77, 'x');
  std::set<uint64_t> seen{digest_of(bytes.data(), bytes.size())};
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    seen.insert(digest_of(bytes.data(), bytes.size()));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
  for (size_t length = 0; length < bytes.size(); ++length) seen.insert(digest_of(bytes.data(), length));
  CHECK(seen.size() == 1 + 9 * bytes.size());
}
