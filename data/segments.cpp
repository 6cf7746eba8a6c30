#include "data/segments.h"

#include <algorithm>

#include "tensor/error.h"

namespace matmix::data {
namespace {

void add(Segments& segments, std::span<const int32_t> ids, int32_t type) {
  segments.ids.insert(segments.ids.end(), ids.begin(), ids.end());
  segments.types.resize(segments.ids.size(), type);
}

/// How much is kept of the shorter and of the longer of two.
struct Kept {
  size_t shorter, longer;
};

Kept longest_first(size_t shorter, size_t longer, size_t room) {
  longer = std::min(longer, std::max(shorter, room - std::min(shorter, room)));
  return shorter + longer <= room ? Kept{shorter, longer} : Kept{room / 2, room - room / 2};
}

}  // namespace

Segments one_segment(const Vocabulary& vocabulary, std::span<const int32_t> a, int64_t max_len) {
  require(max_len >= 2, "one_segment", "max_len must be at least 2, got ", max_len);
  Segments segments;
  add(segments, {&vocabulary.cls, 1}, 0);
  add(segments, a.first(std::min(a.size(), static_cast<size_t>(max_len) - 2)), 0);
  add(segments, {&vocabulary.sep, 1}, 0);
  return segments;
}

Segments two_segments(const Vocabulary& vocabulary, std::span<const int32_t> a, std::span<const int32_t> b,
                      int64_t max_len) {
  require(max_len >= 3, "two_segments", "max_len must be at least 3, got ", max_len);
  const bool a_is_longer = a.size() > b.size();
  const Kept kept =
      longest_first(std::min(a.size(), b.size()), std::max(a.size(), b.size()), static_cast<size_t>(max_len) - 3);
  Segments segments = one_segment(vocabulary, a.first(a_is_longer ? kept.longer : kept.shorter), max_len);
  add(segments, b.first(a_is_longer ? kept.shorter : kept.longer), 1);
  add(segments, {&vocabulary.sep, 1}, 1);
  return segments;
}

}  // namespace matmix::data
