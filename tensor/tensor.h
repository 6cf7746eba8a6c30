#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

namespace matmix {

/// Values: a typed, strided window on counted bytes of one device. A handle: copies share the bytes, and const
/// protects the window, not the bytes. Carries no history (that is Var). Views cost nothing and never copy.
class Tensor {
 public:
  /// Undefined: no bytes, no shape.
  Tensor() = default;
  Tensor(std::shared_ptr<Storage> storage, int64_t offset, const Shape& shape, const Shape& strides, DType dtype);

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }
  int rank() const { return shape_.rank(); }
  /// Size of an axis in [-rank, rank).
  int64_t dim(int axis) const { return shape_.dim(axis); }
  /// Distance in elements between neighbours along an axis in [-rank, rank).
  int64_t stride(int axis) const { return strides_.dim(axis); }
  int64_t numel() const { return numel_; }
  DType dtype() const { return dtype_; }
  /// Error if undefined.
  Device device() const;
  size_t bytes() const { return static_cast<size_t>(numel_) * size_of(dtype_); }

  /// First element; Error if T is not the dtype. Device memory for a CUDA tensor.
  template <class T>
  T* data() const {
    check_type(dtype_of<T>());
    return static_cast<T*>(raw());
  }
  void* raw() const;

  /// Row-major without gaps.
  bool is_contiguous() const;
  /// Rows (the last axis) without gaps, whatever the other strides: what most kernels ask for.
  bool has_dense_rows() const { return rank() == 0 || dim(-1) <= 1 || stride(-1) == 1; }

  uint64_t version() const { return storage_->version(); }
  void bump_version() const { storage_->bump_version(); }
  /// Handles on the bytes; 1 means that nobody else can see a change in place.
  int64_t use_count() const { return storage_.use_count(); }
  bool shares_storage_with(const Tensor& other) const { return storage_ == other.storage_; }
  /// Exactly the same window.
  bool same_view_as(const Tensor& other) const;

  // Views. Each throws Error when the arguments do not fit.

  /// Same elements in row-major order; at most one size may be -1 (inferred). Error if strides do not allow a view.
  Tensor reshape(const Shape& shape) const;
  /// True if reshape(shape) is possible without a copy.
  bool can_view_as(const Shape& shape) const;
  /// Axis i of the result is axis order[i] of this.
  Tensor permute(const std::vector<int>& order) const;
  Tensor transpose(int axis_a, int axis_b) const;
  /// Elements [start, start + length) of an axis.
  Tensor narrow(int axis, int64_t start, int64_t length) const;
  /// One index of an axis, which disappears.
  Tensor select(int axis, int64_t index) const;
  /// Broadcast to shape with stride 0 (NumPy's rule).
  Tensor expand(const Shape& shape) const;
  /// Any window that starts at the same element: shape and strides (not negative) as given, inside the bytes.
  Tensor strided(const Shape& shape, const Shape& strides) const;
  Tensor unsqueeze(int axis) const;
  Tensor squeeze(int axis) const;

 private:
  void check_type(DType asked) const;

  std::shared_ptr<Storage> storage_;
  int64_t offset_ = 0;  // in elements
  int64_t numel_ = 0;
  Shape shape_;
  Shape strides_;
  DType dtype_ = DType::F32;
};

/// "F32 [4, 8] on CPU", or "undefined".
std::string to_string(const Tensor& tensor);

}  // namespace matmix
