#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mixers/block.h"

namespace matmix::mixers {

/// Numbers that a registered mixer is made with; each class reads what it needs.
struct MixerSizes {
  int64_t state = 16;     ///< N; the projected length of linformer
  int64_t groups = 1;     ///< G
  int64_t qk_dim = 16;    ///< width of q and k a head
  int64_t max_len = 512;  ///< for classes with a fixed size, and scales
  int64_t Q = 64;         ///< chunk length of recurrences
};

/// One registered class: its name and how to make it. Variants of a class (sources of coefficients) are the block's.
struct MixerRow {
  std::string name;
  std::string stands_for;  ///< systems it is the mixer of: "Hydra"
  std::function<std::unique_ptr<Mixer>(const BlockShape&, const MixerSizes&)> make;
};

/// Every mixer, one line each: what the laws, `matmix list` and `matmix verify` walk.
const std::vector<MixerRow>& registry();
/// Error naming the known ones.
const MixerRow& find_mixer(std::string_view name);

}  // namespace matmix::mixers
