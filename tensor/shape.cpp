#include "tensor/shape.h"

#include <algorithm>

namespace matmix {

Shape::Shape(std::span<const int64_t> dims) {
  require(dims.size() <= kMaxRank, "shape", "rank must be at most ", kMaxRank, ", got ", dims.size());
  std::copy(dims.begin(), dims.end(), dims_.begin());
  rank_ = static_cast<int>(dims.size());
}

int64_t Shape::dim(int axis) const { return (*this)[normalize_axis(axis, rank_, "shape")]; }

int64_t Shape::numel() const {
  int64_t n = 1;
  bool empty = false;
  for (const int64_t d : *this) {
    require(d >= 0, "shape", "sizes must not be negative, got ", *this);
    empty |= d == 0;
    if (d > 0)
      require(!__builtin_mul_overflow(n, d, &n), "shape", "the number of elements of ", *this,
              " does not fit in 63 bits");
  }
  return empty ? 0 : n;
}

void Shape::push_back(int64_t size) {
  require(rank_ < kMaxRank, "shape", "rank must be at most ", kMaxRank, ", got one more axis for ", *this);
  dims_[static_cast<size_t>(rank_++)] = size;
}

bool operator==(const Shape& a, const Shape& b) { return std::ranges::equal(a, b); }

Shape operator+(Shape a, const Shape& b) {
  for (const int64_t d : b) a.push_back(d);
  return a;
}

std::string to_string(const Shape& shape) {
  std::string s = "[";
  for (int i = 0; i < shape.rank(); ++i) s += text(i ? ", " : "", shape[i]);
  return s + "]";
}

Shape contiguous_strides(const Shape& shape) {
  Shape strides = shape;
  int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view where) {
  Shape out = a.rank() >= b.rank() ? a : b;
  const Shape& small = a.rank() >= b.rank() ? b : a;
  for (int i = 1; i <= small.rank(); ++i) {
    int64_t& d = out[out.rank() - i];
    const int64_t e = small[small.rank() - i];
    require(d == e || d == 1 || e == 1, where, "shapes ", a, " and ", b, " do not broadcast");
    if (d == 1) d = e;
  }
  return out;
}

Shape unravel(int64_t flat, const Shape& shape) {
  Shape index = shape;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    index[i] = flat % shape[i];
    flat /= shape[i];
  }
  return index;
}

int normalize_axis(int axis, int rank, std::string_view where) {
  require(axis >= -rank && axis < rank, where, "axis must be in [", -rank, ", ", rank, "), got ", axis);
  return axis < 0 ? axis + rank : axis;
}

}  // namespace matmix
