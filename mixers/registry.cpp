#include "mixers/registry.h"

#include "mixers/identity.h"
#include "mixers/quasiseparable.h"

namespace matmix::mixers {

const std::vector<MixerRow>& registry() {
  static const std::vector<MixerRow> rows{
      {"identity", "the block without a mixer",
       [](const BlockShape& s, const MixerSizes&) { return std::make_unique<Identity>(s); }},
      {"quasiseparable", "Hydra",
       [](const BlockShape& s, const MixerSizes& z) {
         return std::make_unique<Quasiseparable>(
             s, QuasiseparableMixerOptions{.groups = z.groups, .state = z.state, .Q = z.Q});
       }},
  };
  return rows;
}

const MixerRow& find_mixer(std::string_view name) {
  std::string known;
  for (const MixerRow& row : registry()) {
    if (row.name == name) return row;
    known += text(known.empty() ? "" : ", ", row.name);
  }
  fail("mixer", "'", name, "' is not known; known are: ", known);
}

}  // namespace matmix::mixers
