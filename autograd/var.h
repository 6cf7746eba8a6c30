#pragma once

#include <memory>
#include <string>

#include "tensor/tensor.h"

namespace matmix {

class Node;
class Leaf;

/// A Tensor plus how it was made. Public ops, nn and mixers speak Var. A handle: copies share value and history.
/// Made from a Tensor it is a constant; made by Leaf it collects a gradient; made by an op it knows its Node.
class Var {
 public:
  Var() = default;
  /// A constant: no gradient flows into it.
  Var(Tensor value) : value_(std::move(value)) {}  // NOLINT: a Tensor is a constant Var
  Var(Tensor value, std::shared_ptr<Leaf> leaf) : value_(std::move(value)), leaf_(std::move(leaf)) {}
  Var(Tensor value, std::shared_ptr<Node> node, int slot)
      : value_(std::move(value)), node_(std::move(node)), slot_(slot) {}

  bool defined() const { return value_.defined(); }
  const Tensor& value() const { return value_; }
  const Shape& shape() const { return value_.shape(); }
  int rank() const { return value_.rank(); }
  int64_t dim(int axis) const { return value_.dim(axis); }
  int64_t numel() const { return value_.numel(); }
  DType dtype() const { return value_.dtype(); }
  Device device() const { return value_.device(); }

  bool requires_grad() const { return node_ != nullptr || leaf_ != nullptr; }
  /// A leaf's gradient; undefined before the first backward. Error if this is no leaf.
  const Tensor& grad() const;
  /// The value without the history.
  Var detach() const { return Var(value_); }

  const std::shared_ptr<Node>& node() const { return node_; }
  int slot() const { return slot_; }
  const std::shared_ptr<Leaf>& leaf() const { return leaf_; }

 private:
  Tensor value_;
  std::shared_ptr<Node> node_;
  int slot_ = 0;
  std::shared_ptr<Leaf> leaf_;
};

/// "F32 [4, 8] on CPU", with the name of a leaf or the op that made it.
std::string to_string(const Var& x);

/// Where gradients of one learned or tested tensor are collected. `grad` may be given from outside (a view of a flat
/// buffer): then gradients are added to what is there, in its dtype; else it is made at the first gradient.
class Leaf {
 public:
  std::string name;
  DType grad_dtype = DType::F32;
  Tensor grad;
};

/// A leaf that collects its gradient in the value's own dtype (or in `grad_dtype`).
Var leaf(Tensor value, std::string name = "leaf");
Var leaf(Tensor value, std::string name, DType grad_dtype);

}  // namespace matmix
