#include "experiments/report/heat_map.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

constexpr Colour kGrey{160, 160, 160};
/// Red and blue of ColorBrewer's RdBu, white in the middle.
constexpr std::array<Colour, 3> kBelow{{{255, 255, 255}, {67, 147, 195}, {5, 48, 97}}};
constexpr std::array<Colour, 3> kAbove{{{255, 255, 255}, {214, 96, 77}, {103, 0, 31}}};
/// Matplotlib's viridis at its quarters.
constexpr std::array<Colour, 5> kSequential{
    {{68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}}};

/// The colour at t in [0, 1] of the way along the stops.
template <size_t n>
Colour between(const std::array<Colour, n>& stops, double t) {
  const double place = t * static_cast<double>(n - 1);
  const auto first = std::min(static_cast<size_t>(place), n - 2);
  const double part = place - static_cast<double>(first);
  const auto mix = [part](uint8_t a, uint8_t b) { return static_cast<uint8_t>(std::lround(a + part * (b - a))); };
  const Colour &a = stops[first], &b = stops[first + 1];
  return {mix(a.r, b.r), mix(a.g, b.g), mix(a.b, b.b)};
}

/// The letter at t in [0, 1]: the first one for 0 alone.
char between(std::string_view letters, double t) {
  const auto steps = static_cast<double>(letters.size() - 1);
  return letters[static_cast<size_t>(std::ceil(t * steps))];
}

double largest_size(const std::vector<double>& values) {
  double largest = 0;
  for (const double x : values) largest = std::max(largest, std::abs(x));
  return largest;
}

}  // namespace

HeatMap::HeatMap(const Tensor& x, MapKind kind, double largest)
    : rows_(x.dim(0)),
      columns_(x.dim(1)),
      values_(to_vector<double>(x)),
      kind_(kind),
      largest_(largest > 0 ? largest : largest_size(values_)) {}

double HeatMap::strength(double value) const {
  constexpr double kLinear = 1e3, kDecades = 20;
  const double share = largest_ > 0 ? std::min(std::abs(value) / largest_, 1.0) : 0;
  switch (kind_) {
    case MapKind::kSigned: return std::log1p(kLinear * share) / std::log1p(kLinear);
    case MapKind::kRanks: return share;
    case MapKind::kErrors: return share > 0 ? std::max(1 + std::log10(share) / kDecades, 0.0) : 0;
  }
  return 0;
}

Colour HeatMap::colour(int64_t i, int64_t j) const {
  const double x = value(i, j), t = strength(x);
  if (kind_ == MapKind::kSigned) return between(x < 0 ? kBelow : kAbove, t);
  return between(kSequential, t);
}

char HeatMap::letter(int64_t i, int64_t j) const {
  const double x = value(i, j), t = strength(x);
  if (kind_ == MapKind::kSigned) return between(x < 0 ? " ,;=x%" : " .:+*#", t);
  if (kind_ == MapKind::kErrors) return between(" .:-=+*#%@", t);
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz+";
  return kDigits[std::min(static_cast<size_t>(x), kDigits.size() - 1)];
}

Picture side_by_side(const std::vector<HeatMap>& maps, int64_t cell) {
  const int64_t gap = std::max<int64_t>(cell / 2, 1), height = maps.front().rows() * cell;
  Picture picture{-gap, height, {}};
  for (const HeatMap& map : maps) picture.width += map.columns() * cell + gap;
  picture.pixels.assign(static_cast<size_t>(picture.width * height), kGrey);
  int64_t left = 0;
  for (const HeatMap& map : maps) {
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < map.columns() * cell; ++x)
        picture.pixels[static_cast<size_t>(y * picture.width + left + x)] = map.colour(y / cell, x / cell);
    left += map.columns() * cell + gap;
  }
  return picture;
}

Picture stacked(const std::vector<Picture>& pictures, int64_t gap) {
  Picture all{0, -gap, {}};
  for (const Picture& p : pictures) {
    all.width = std::max(all.width, p.width);
    all.height += p.height + gap;
  }
  all.pixels.assign(static_cast<size_t>(all.width * all.height), kGrey);
  int64_t top = 0;
  for (const Picture& p : pictures) {
    for (int64_t y = 0; y < p.height; ++y)
      std::copy_n(p.pixels.begin() + y * p.width, p.width, all.pixels.begin() + (top + y) * all.width);
    top += p.height + gap;
  }
  return all;
}

}  // namespace matmix::experiments
