#include "mixers/registry.h"

#include <doctest/doctest.h>

#include <set>

using namespace matmix;
using namespace matmix::mixers;

TEST_CASE("every row makes the mixer it names, names are unique, streams are in order") {
  std::set<std::string> names;
  for (const MixerRow& row : registry()) {
    CHECK(names.insert(row.name).second);
    const auto mixer = row.make({.D = 8, .H = 4, .P = 2}, {});
    CHECK(mixer->traits().name == row.name);
    CHECK_NOTHROW(Coefficients(mixer->streams(), Projected{}, 8));
    CHECK(&find_mixer(row.name) == &row);
  }
}

TEST_CASE("an unknown mixer is an error that lists the known ones") {
  CHECK_THROWS_WITH_AS(find_mixer("quasi"), doctest::Contains("mixer: 'quasi' is not known; known are: identity, "),
                       Error);
}
