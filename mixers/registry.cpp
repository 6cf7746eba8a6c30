#include "mixers/registry.h"

#include "mixers/attention.h"
#include "mixers/dense.h"
#include "mixers/identity.h"
#include "mixers/linformer.h"
#include "mixers/low_rank.h"
#include "mixers/quasiseparable.h"

namespace matmix::mixers {

const std::vector<MixerRow>& registry() {
  static const std::vector<MixerRow> rows{
      {"identity", "the block without a mixer",
       [](const BlockShape& s, const MixerSizes&) { return std::make_unique<Identity>(s); }},
      {"dense", "MLP-Mixer",
       [](const BlockShape& s, const MixerSizes& z) { return std::make_unique<Dense>(s, z.max_len); }},
      {"attention", "Transformer (BERT, ViT)",
       [](const BlockShape& s, const MixerSizes& z) {
         return std::make_unique<Attention>(s, AttentionMixerOptions{.qk_dim = z.qk_dim});
       }},
      {"low_rank", "linear attention",
       [](const BlockShape& s, const MixerSizes& z) {
         return std::make_unique<LowRank>(s, LowRankMixerOptions{.qk_dim = z.qk_dim, .scale_len = z.max_len});
       }},
      {"linformer", "Linformer",
       [](const BlockShape& s, const MixerSizes& z) {
         return std::make_unique<Linformer>(
             s, LinformerOptions{.qk_dim = z.qk_dim, .rank = z.state, .max_len = z.max_len});
       }},
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
