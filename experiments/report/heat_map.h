#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace matmix::experiments {

struct Colour {
  uint8_t r = 0, g = 0, b = 0;
  bool operator==(const Colour&) const = default;
};

/// A raster, row by row from the top.
struct Picture {
  int64_t width = 0, height = 0;
  std::vector<Colour> pixels;
};

/// What the numbers of a heat map mean, and so how they are drawn:
///   kSigned    blue below 0, white at 0, red above; linear near 0, logarithmic from a thousandth of the largest on
///   kRanks     0 .. the largest, dark to light; in letters 0-9, a-z, then +
///   kErrors    sizes on a logarithmic scale of 20 decades below the largest, dark to light; 0 is the darkest
enum class MapKind { kSigned, kRanks, kErrors };

/// A matrix [rows, columns] as a picture.
class HeatMap {
 public:
  /// `largest`: what the strongest colour stands for; 0 for the largest size in x itself.
  HeatMap(const Tensor& x, MapKind kind, double largest = 0);

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  double largest() const { return largest_; }
  Colour colour(int64_t i, int64_t j) const;
  /// One character; of kSigned .:+* and # above 0, , ; = x and % below it.
  char letter(int64_t i, int64_t j) const;

 private:
  double value(int64_t i, int64_t j) const { return values_[static_cast<size_t>(i * columns_ + j)]; }
  /// In [0, 1].
  double strength(double value) const;

  int64_t rows_, columns_;
  std::vector<double> values_;
  MapKind kind_;
  double largest_;
};

/// Heat maps of one height side by side, `cell` x `cell` pixels an entry, a grey line between two.
Picture side_by_side(const std::vector<HeatMap>& maps, int64_t cell);
/// Pictures one below the other, as wide as the widest, `gap` pixels of the same grey between two.
Picture stacked(const std::vector<Picture>& pictures, int64_t gap);

}  // namespace matmix::experiments
