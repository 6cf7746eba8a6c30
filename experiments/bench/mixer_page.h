#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace matmix::experiments {

/// One form of a mixer at one length.
struct FormFigures {
  double forward_ms = 0, both_ms = 0;  ///< both: forward + backward
  int64_t peak_bytes = 0;              ///< of forward + backward
};
/// Both forms; those that were not tried are absent.
struct LengthFigures {
  int64_t L = 0;
  std::optional<FormFigures> plain, fast;
};
/// One mixer with one source of coefficients, lengths ascending.
struct MixerFigures {
  std::string mixer, coefficients;
  std::vector<LengthFigures> lengths;
};

using FormOf = std::optional<FormFigures> LengthFigures::*;

/// p of time ~ L^p, forward + backward, between the two largest lengths of one form.
struct Growth {
  double exponent = 0;
  int64_t from = 0, to = 0;
};
std::optional<Growth> growth(const std::vector<LengthFigures>& lengths, FormOf form);
/// The smallest length from which on the fast form is never slower, forward + backward.
std::optional<int64_t> crossover(const std::vector<LengthFigures>& lengths);

/// All figures as one HTML page that needs nothing else: for each mixer time and memory over the length as SVG, both
/// axes logarithmic, the same for all mixers; the figures under the pointer. `made_by` stands below the title.
std::string mixer_page(const std::vector<MixerFigures>& all, const std::string& made_by);

}  // namespace matmix::experiments
