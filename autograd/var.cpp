#include "autograd/var.h"

#include "autograd/node.h"

namespace matmix {

const Tensor& Var::grad() const {
  require(leaf_ != nullptr, "grad", "only a leaf keeps its gradient; asked of ", *this);
  return leaf_->grad;
}

std::string to_string(const Var& x) {
  std::string s = to_string(x.value());
  if (x.leaf()) s += " '" + x.leaf()->name + "'";
  if (x.node()) s += text(" from ", x.node()->op());
  return s;
}

Var leaf(Tensor value, std::string name) {
  const DType dtype = value.dtype();
  return leaf(std::move(value), std::move(name), dtype);
}

Var leaf(Tensor value, std::string name, DType grad_dtype) {
  require(is_floating(value.dtype()) && is_floating(grad_dtype), "leaf", "'", name,
          "' must be of a floating dtype to have a gradient, got ", value);
  auto sink = std::make_shared<Leaf>();
  sink->name = std::move(name);
  sink->grad_dtype = grad_dtype;
  return Var(std::move(value), std::move(sink));
}

}  // namespace matmix
