#include "tensor/tensor.h"

#include <algorithm>
#include <optional>

namespace matmix {
namespace {

/// Strides that let the elements be seen as `shape` without a copy, if any: each group of old axes that a group
/// of new axes covers must be without gaps.
std::optional<Shape> view_strides(const Shape& old_shape, const Shape& old_strides, const Shape& shape) {
  Shape strides = shape;
  int axis = shape.rank() - 1;
  int64_t chunk = 1;   // elements of old axes gathered into the current group
  int64_t filled = 1;  // elements of new axes placed in it
  int64_t base = old_shape.rank() ? old_strides[old_shape.rank() - 1] : 1;
  for (int i = old_shape.rank() - 1; i >= 0; --i) {
    chunk *= old_shape[i];
    const bool group_ends = i == 0 || (old_shape[i - 1] != 1 && old_strides[i - 1] != chunk * base);
    if (!group_ends) continue;
    for (; axis >= 0 && (filled < chunk || shape[axis] == 1); --axis) {
      strides[axis] = filled * base;
      filled *= shape[axis];
    }
    if (filled != chunk) return std::nullopt;
    if (i > 0) {
      base = old_strides[i - 1];
      chunk = filled = 1;
    }
  }
  for (; axis >= 0; --axis) strides[axis] = base;
  return strides;
}

Shape inferred(const Tensor& x, Shape shape) {
  int hole = -1;
  int64_t known = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] >= 0) {
      known *= shape[i];
      continue;
    }
    require(shape[i] == -1 && hole < 0, "reshape", "one size may be -1, got ", shape);
    hole = i;
  }
  if (hole >= 0) {
    require(known > 0 && x.numel() % known == 0, "reshape", "cannot infer -1 in ", shape, " for ", x);
    shape[hole] = x.numel() / known;
  }
  require(shape.numel() == x.numel(), "reshape", "must keep ", x.numel(), " elements, got ", shape, " for ", x);
  return shape;
}

}  // namespace

Tensor::Tensor(std::shared_ptr<Storage> storage, int64_t offset, const Shape& shape, const Shape& strides, DType dtype)
    : storage_(std::move(storage)),
      offset_(offset),
      numel_(shape.numel()),
      shape_(shape),
      strides_(strides),
      dtype_(dtype) {}

Device Tensor::device() const {
  require(defined(), "tensor", "has no device: it is undefined");
  return storage_->device();
}

void* Tensor::raw() const {
  require(defined(), "tensor", "has no data: it is undefined");
  return static_cast<std::byte*>(storage_->data()) + static_cast<size_t>(offset_) * size_of(dtype_);
}

void Tensor::check_type(DType asked) const {
  require(asked == dtype_, "tensor", "data was asked for as ", asked, ", but it is ", *this);
}

bool Tensor::is_contiguous() const {
  int64_t step = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    if (shape_[i] != 1 && strides_[i] != step) return numel_ == 0;
    step *= shape_[i];
  }
  return true;
}

bool Tensor::same_view_as(const Tensor& other) const {
  return storage_ == other.storage_ && offset_ == other.offset_ && dtype_ == other.dtype_ && shape_ == other.shape_ &&
         strides_ == other.strides_;
}

bool Tensor::can_view_as(const Shape& shape) const {
  return numel_ == 0 || view_strides(shape_, strides_, inferred(*this, shape)).has_value();
}

Tensor Tensor::reshape(const Shape& asked) const {
  const Shape shape = inferred(*this, asked);
  if (numel_ == 0) return Tensor(storage_, offset_, shape, contiguous_strides(shape), dtype_);
  const auto strides = view_strides(shape_, strides_, shape);
  require(strides.has_value(), "reshape", "strides ", strides_, " do not allow a view of ", *this, " as ", shape);
  return Tensor(storage_, offset_, shape, *strides, dtype_);
}

Tensor Tensor::permute(const std::vector<int>& order) const {
  require(static_cast<int>(order.size()) == rank(), "permute", "must name all ", rank(), " axes, got ", order.size());
  Shape shape = shape_, strides = strides_;
  unsigned seen = 0;
  for (int i = 0; i < rank(); ++i) {
    const int axis = normalize_axis(order[static_cast<size_t>(i)], rank(), "permute");
    require(!(seen >> axis & 1u), "permute", "axis ", axis, " is named twice");
    seen |= 1u << axis;
    shape[i] = shape_[axis];
    strides[i] = strides_[axis];
  }
  return Tensor(storage_, offset_, shape, strides, dtype_);
}

Tensor Tensor::transpose(int axis_a, int axis_b) const {
  const int a = normalize_axis(axis_a, rank(), "transpose"), b = normalize_axis(axis_b, rank(), "transpose");
  Shape shape = shape_, strides = strides_;
  std::swap(shape[a], shape[b]);
  std::swap(strides[a], strides[b]);
  return Tensor(storage_, offset_, shape, strides, dtype_);
}

Tensor Tensor::narrow(int axis, int64_t start, int64_t length) const {
  const int a = normalize_axis(axis, rank(), "narrow");
  require(start >= 0 && length >= 0 && start <= shape_[a] && length <= shape_[a] - start, "narrow", "[", start, ", ",
          start, " + ", length, ") must lie in axis ", a, " of ", *this);
  Shape shape = shape_;
  shape[a] = length;
  return Tensor(storage_, offset_ + start * strides_[a], shape, strides_, dtype_);
}

Tensor Tensor::select(int axis, int64_t index) const { return narrow(axis, index, 1).squeeze(axis); }

Tensor Tensor::expand(const Shape& shape) const {
  require(broadcast_shapes(shape_, shape, "expand") == shape, "expand", *this, " does not broadcast to ", shape);
  Shape strides = shape;
  const int lead = shape.rank() - rank();
  for (int i = 0; i < shape.rank(); ++i)
    strides[i] = i < lead || (shape_[i - lead] == 1 && shape[i] != 1) ? 0 : strides_[i - lead];
  return Tensor(storage_, offset_, shape, strides, dtype_);
}

Tensor Tensor::strided(const Shape& shape, const Shape& strides) const {
  require(shape.rank() == strides.rank(), "strided", "shape and strides must have one rank, got ", shape, " and ",
          strides);
  int64_t last = offset_;
  for (int i = 0; i < shape.rank(); ++i) {
    require(strides[i] >= 0, "strided", "strides must not be negative, got ", strides);
    last += std::max<int64_t>(shape[i] - 1, 0) * strides[i];
  }
  const auto held = static_cast<int64_t>(storage_->bytes() / size_of(dtype_));
  require(shape.numel() == 0 || last < held, "strided", shape, " with strides ", strides, " leaves the ", held,
          " elements under ", *this);
  return Tensor(storage_, offset_, shape, strides, dtype_);
}

Tensor Tensor::unsqueeze(int axis) const {
  const int a = normalize_axis(axis, rank() + 1, "unsqueeze");
  Shape shape, strides;
  for (int i = 0; i <= rank(); ++i) {
    if (i == a) {
      shape.push_back(1);
      strides.push_back(1);
    }
    if (i < rank()) {
      shape.push_back(shape_[i]);
      strides.push_back(strides_[i]);
    }
  }
  return Tensor(storage_, offset_, shape, strides, dtype_);
}

Tensor Tensor::squeeze(int axis) const {
  const int a = normalize_axis(axis, rank(), "squeeze");
  require(shape_[a] == 1, "squeeze", "axis ", a, " must have size 1 in ", *this);
  Shape shape, strides;
  for (int i = 0; i < rank(); ++i) {
    if (i == a) continue;
    shape.push_back(shape_[i]);
    strides.push_back(strides_[i]);
  }
  return Tensor(storage_, offset_, shape, strides, dtype_);
}

std::string to_string(const Tensor& tensor) {
  return tensor.defined() ? text(tensor.dtype(), " ", tensor.shape(), " on ", tensor.device()) : "undefined";
}

}  // namespace matmix
