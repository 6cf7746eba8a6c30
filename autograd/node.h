#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autograd/var.h"

namespace matmix {

class Backward;

/// Computes the gradients of an op's inputs from those of its outputs, by calling Backward's members.
using BackwardFn = std::function<void(Backward&)>;
/// For an op whose outputs are views of one tensor (split): the view of the shared gradient buffer that output
/// `slot`'s gradient lives in, so that it is written in place and never gathered. The op's closure takes the buffer
/// (the next walk gets a new one) and zeroes the places of outputs whose dy is undefined.
using GradSlot = std::function<Tensor(int slot)>;

/// What autograd keeps of an input: where its gradient goes and how that must look. Never its value.
struct Edge {
  std::shared_ptr<Node> node;  ///< set for the output of an op
  int slot = 0;
  std::shared_ptr<Leaf> leaf;  ///< set for a leaf
  Shape shape;
  DType grad_dtype = DType::F32;
  Device device;

  explicit Edge(const Var& x);
  bool needed() const { return node != nullptr || leaf != nullptr; }
};

/// One application of an op: its inputs' edges, its closure, and the gradients of its outputs while backward runs.
/// Destruction is iterative: a chain of a million nodes does not overflow the stack.
class Node {
 public:
  Node(const char* op, std::vector<Edge> inputs, const std::vector<Tensor>& outputs, BackwardFn fn, GradSlot grad_slot,
       int64_t saved_bytes);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const char* op() const { return op_; }
  /// The module path that was current when the op ran, "" outside modules.
  const std::string& path() const { return path_; }
  /// Grows with creation, so inputs have smaller ids: descending order of ids is a topological order.
  uint64_t id() const { return id_; }
  const std::vector<Edge>& inputs() const { return inputs_; }
  int outputs() const { return static_cast<int>(outputs_.size()); }
  const Shape& output_shape(int slot) const { return outputs_[static_cast<size_t>(slot)].shape; }
  /// Bytes that the closure keeps (the Saved it captured).
  int64_t saved_bytes() const { return saved_bytes_; }

 private:
  friend class Backward;
  friend class BackwardWalk;
  struct Output {
    Shape shape;
    Tensor grad;
  };

  const char* op_;
  std::string path_;
  uint64_t id_;
  std::vector<Edge> inputs_;
  std::vector<Output> outputs_;
  BackwardFn fn_;
  GradSlot grad_slot_;
  int64_t saved_bytes_;
};

/// The only argument of a closure: upstream gradients in, input gradients out.
class Backward {
 public:
  explicit Backward(Node& node) : node_(node) {}

  /// d(loss)/d(output slot): has the output's shape, dtype and device, any strides. Undefined if nothing used that
  /// output; a closure runs only if at least one is defined, so only ops with several outputs see this.
  const Tensor& dy(int slot = 0) const { return node_.outputs_[static_cast<size_t>(slot)].grad; }
  /// Whether anybody wants the gradient of input i; skip the work if not.
  bool needs(int input) const { return edge(input).needed(); }
  /// An uninitialised tensor of input i's shape and gradient dtype for a kernel to write dx into; give() it then.
  /// Undefined if input i needs no gradient. For the first gradient of a view it is the view's place in the shared
  /// buffer, so it may have strides; its rows are dense if the view's were.
  Tensor target(int input) const;
  /// Where input i's gradient may be added to in place (kernel does dx += ...), if such a place exists already: a
  /// parameter's flat gradient. A closure that used it calls nothing more for that input. Neither this nor target()
  /// gives the same place to two inputs of one node.
  std::optional<Tensor> sum(int input) const;
  /// Hands over dx: of input i's shape, or of a shape it was broadcast to (then summed back); any floating dtype.
  void give(int input, const Tensor& dx) const;

 private:
  const Edge& edge(int input) const { return node_.inputs_[static_cast<size_t>(input)]; }
  bool twice(int input) const;
  Node& node_;
};

/// A tensor kept for backward, by name. get() throws Error naming the tensor if it was changed in place since;
/// backward adds the op.
/// A closure's captures of Saved are the list of activations kept.
class Saved {
 public:
  Saved() = default;
  Saved(const Tensor& tensor, const char* name);
  const Tensor& get() const;
  operator const Tensor&() const { return get(); }  // NOLINT: reads as the tensor it keeps

 private:
  Tensor tensor_;
  uint64_t version_ = 0;
  const char* name_ = "";
};

/// Turns an op's result into a Var with history: constant if gradients are off (NoGrad) or no input wants one.
/// Every op ends in this call. Checks the result under the tripwire, naming op, module path and first bad index.
Var record(const char* op, const std::vector<Var>& inputs, const Tensor& output, BackwardFn fn);
/// Several outputs that share one node and one closure. Outputs that are undefined or not floating are constants.
std::vector<Var> record(const char* op, const std::vector<Var>& inputs, const std::vector<Tensor>& outputs,
                        BackwardFn fn, GradSlot grad_slot = nullptr);

}  // namespace matmix
