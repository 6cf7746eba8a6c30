#include "data/segments.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "tensor/error.h"

using namespace matmix;
using namespace matmix::data;

namespace {

constexpr Vocabulary kVocabulary{.size = 100, .pad = 0, .cls = 2, .sep = 3, .mask = 4, .unk = 1};

std::vector<int32_t> counting(int32_t first, size_t n) {
  std::vector<int32_t> ids(n);
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

}  // namespace

TEST_CASE("one segment is cut at its end") {
  const Segments whole = one_segment(kVocabulary, counting(10, 3), 5),
                 cut = one_segment(kVocabulary, counting(10, 3), 4);
  CHECK(whole.ids == std::vector<int32_t>{2, 10, 11, 12, 3});
  CHECK(whole.types == std::vector<int32_t>(5, 0));
  CHECK(cut.ids == std::vector<int32_t>{2, 10, 11, 3});
  CHECK(one_segment(kVocabulary, {}, 2).ids == std::vector<int32_t>{2, 3});
}

TEST_CASE("law: two segments keep their starts, fill max_len if they can, and the longer gives first") {
  for (size_t a = 0; a < 8; ++a)
    for (size_t b = 0; b < 8; ++b)
      for (size_t room = 0; room < 16; ++room) {
        const Segments s = two_segments(kVocabulary, counting(10, a), counting(50, b), static_cast<int64_t>(room) + 3);
        REQUIRE(s.ids.size() == std::min(a + b, room) + 3);
        const size_t sep = static_cast<size_t>(std::find(s.ids.begin(), s.ids.end(), 3) - s.ids.begin());
        const size_t kept_a = sep - 1, kept_b = s.ids.size() - sep - 2;
        CHECK(std::vector(s.ids.begin() + 1, s.ids.begin() + sep) == counting(10, kept_a));
        CHECK(std::vector(s.ids.begin() + sep + 1, s.ids.end() - 1) == counting(50, kept_b));
        for (size_t i = 0; i < s.ids.size(); ++i) CHECK(s.types[i] == (i > sep));
        if (kept_a < a) CHECK(kept_a + 1 >= kept_b);
        if (kept_b < b) CHECK(kept_b + 1 >= kept_a);
      }
}

TEST_CASE("an odd token is left to the one that was longer, or else to the second") {
  const auto kept = [](size_t a, size_t b, int64_t max_len) {
    const Segments s = two_segments(kVocabulary, counting(10, a), counting(50, b), max_len);
    const size_t ones = static_cast<size_t>(std::count(s.types.begin(), s.types.end(), 1));
    return std::pair{s.types.size() - ones - 2, ones - 1};
  };
  CHECK(kept(5, 4, 10) == std::pair<size_t, size_t>{4, 3});
  CHECK(kept(4, 5, 10) == std::pair<size_t, size_t>{3, 4});
  CHECK(kept(5, 5, 10) == std::pair<size_t, size_t>{3, 4});
  CHECK(kept(9, 2, 10) == std::pair<size_t, size_t>{5, 2});
}

TEST_CASE("there must be room for the special tokens") {
  CHECK_THROWS_WITH_AS(one_segment(kVocabulary, {}, 1), "one_segment: max_len must be at least 2, got 1", Error);
  CHECK_THROWS_WITH_AS(two_segments(kVocabulary, {}, {}, 2), "two_segments: max_len must be at least 3, got 2", Error);
}
