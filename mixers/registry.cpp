#include "mixers/registry.h"

#include "mixers/attention.h"
#include "mixers/bidirectional.h"
#include "mixers/cauchy.h"
#include "mixers/dense.h"
#include "mixers/dft.h"
#include "mixers/identity.h"
#include "mixers/linformer.h"
#include "mixers/low_rank.h"
#include "mixers/monarch.h"
#include "mixers/quasiseparable.h"
#include "mixers/semiseparable.h"
#include "mixers/toeplitz.h"
#include "mixers/vandermonde.h"

namespace matmix::mixers {
namespace {

std::unique_ptr<Mixer> semiseparable(const BlockShape& shape, const MixerSizes& sizes,
                                     SemiseparableMixerOptions options) {
  options.groups = sizes.groups;
  options.state = sizes.state;
  options.Q = sizes.Q;
  return std::make_unique<Semiseparable>(shape, options);
}

/// Of one causal scan and one from right to left.
std::unique_ptr<Mixer> two_scans(const BlockShape& shape, const MixerSizes& sizes, Join join) {
  return std::make_unique<Bidirectional>(shape, semiseparable(shape, sizes, {.diagonal = Diagonal::kNone}),
                                         semiseparable(shape, sizes, {.diagonal = Diagonal::kNone, .reverse = true}),
                                         join);
}

}  // namespace

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
      {"toeplitz", "S4, H3, Hyena, TNN, CKConv",
       [](const BlockShape& s, const MixerSizes& z) {
         return std::make_unique<Toeplitz>(s, ToeplitzMixerOptions{.scale_len = z.max_len});
       }},
      {"dft", "FNet", [](const BlockShape& s, const MixerSizes& z) { return std::make_unique<Dft>(s, z.max_len); }},
      {"cauchy", "the Cauchy mixer of Hwang et al.",
       [](const BlockShape& s, const MixerSizes& z) {
         return std::make_unique<Cauchy>(s, CauchyMixerOptions{.qk_dim = z.qk_dim, .scale_len = z.max_len});
       }},
      {"vandermonde", "the Vandermonde mixer of Hwang et al.",
       [](const BlockShape& s, const MixerSizes& z) {
         return std::make_unique<Vandermonde>(s, VandermondeMixerOptions{.qk_dim = z.qk_dim, .scale_len = z.max_len});
       }},
      {"monarch", "Monarch, M2",
       [](const BlockShape& s, const MixerSizes& z) {
         return std::make_unique<Monarch>(s, MonarchMixerOptions{.max_len = z.max_len});
       }},
      {"butterfly", "Kaleidoscope",
       [](const BlockShape& s, const MixerSizes& z) {
         return std::make_unique<Monarch>(
             s, MonarchMixerOptions{.order = Monarch::finest_order(z.max_len), .max_len = z.max_len});
       }},
      {"semiseparable", "Mamba-2", [](const BlockShape& s, const MixerSizes& z) { return semiseparable(s, z, {}); }},
      {"semiseparable_diagonal", "Mamba",
       [](const BlockShape& s, const MixerSizes& z) { return semiseparable(s, z, {.decay = StateDecay::kDiagonal}); }},
      {"semiseparable_constant", "S4D",
       [](const BlockShape& s, MixerSizes z) {
         z.state += z.state % 2;
         return semiseparable(s, z, {.decay = StateDecay::kComplex, .bc_stream = false, .step_stream = false});
       }},
      {"add", "two scans, summed",
       [](const BlockShape& s, const MixerSizes& z) { return two_scans(s, z, Join::kAdd); }},
      {"concat", "two scans, side by side",
       [](const BlockShape& s, const MixerSizes& z) { return two_scans(s, z, Join::kConcat); }},
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
