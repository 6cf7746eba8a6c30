#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "tensor/error.h"

namespace matmix {

/// Sizes (or strides) of at most eight axes; a plain value that kernels take as it is.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  constexpr Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims);

  constexpr int rank() const { return rank_; }
  /// Axis i in [0, rank).
  constexpr int64_t operator[](int i) const { return dims_[static_cast<size_t>(i)]; }
  constexpr int64_t& operator[](int i) { return dims_[static_cast<size_t>(i)]; }
  constexpr const int64_t* begin() const { return dims_.data(); }
  constexpr const int64_t* end() const { return dims_.data() + rank_; }

  /// Axis in [-rank, rank); Error otherwise.
  int64_t dim(int axis) const;
  /// Product of the sizes, 1 for a scalar; Error if it does not fit 63 bits or a size is negative.
  int64_t numel() const;
  void push_back(int64_t size);

  friend bool operator==(const Shape& a, const Shape& b);
  /// The axes of a, then those of b.
  friend Shape operator+(Shape a, const Shape& b);

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

/// "[2, 3]".
std::string to_string(const Shape& shape);
/// Row-major strides in elements.
Shape contiguous_strides(const Shape& shape);
/// The common shape of a and b by NumPy's rule (align right, 1 stretches); Error naming both otherwise.
Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view where);
/// The index in `shape` of element `flat` of the row-major order.
Shape unravel(int64_t flat, const Shape& shape);
/// axis in [-rank, rank) -> [0, rank); Error "<where>: axis must be in [-rank, rank), got axis".
int normalize_axis(int axis, int rank, std::string_view where);

}  // namespace matmix
