#include "tensor/nearest.h"

#include <doctest/doctest.h>

using namespace matmix;

TEST_CASE("edit distance counts insertions, deletions and replacements, either way round") {
  const struct {
    const char *a, *b;
    int64_t distance;
  } cases[] = {{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}};
  for (const auto& [a, b, distance] : cases) {
    CHECK(edit_distance(a, b) == distance);
    CHECK(edit_distance(b, a) == distance);
  }
}

TEST_CASE("the nearest names come first, at most three, equal ones in the order given") {
  CHECK(nearest_names("wegiht", {"bias", "height", "weight", "freight"}) == "'weight', 'height' or 'freight'");
  CHECK(nearest_names("x", {"a", "b"}) == "'a' or 'b'");
  CHECK(nearest_names("x", {"a"}) == "'a'");
  CHECK(nearest_names("x", {}) == "");
}
