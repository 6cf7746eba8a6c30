#include "autograd/backward.h"

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "autograd/finite.h"
#include "autograd/no_grad.h"
#include "autograd/node.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {

/// The nodes that wait for their turn, newest first: every consumer of a node is newer than it, so when a node is
/// popped its gradient is complete.
class BackwardWalk {
 public:
  explicit BackwardWalk(const BackwardOptions& options) : options_(options) {}

  /// After an error nodes still wait: their half-made gradients must not meet a later walk.
  ~BackwardWalk() {
    while (!waiting_.empty()) clear(*pop());
  }

  void start(const Var& root) {
    if (options_.on_final) count_uses(root.node());
    push(root.node());
    Tensor& grad = root.node()->outputs_[static_cast<size_t>(root.slot())].grad;
    grad = root.node()->grad_slot_ ? root.node()->grad_slot_(root.slot()) : options_.seed;
    copy(grad, options_.seed);
  }

  void run() {
    while (!waiting_.empty()) visit(*pop());
  }

 private:
  struct Older {
    bool operator()(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) const { return a->id() < b->id(); }
  };
  struct ClearAtEnd {
    Node& node;
    ~ClearAtEnd() { clear(node); }
  };

  static void clear(Node& node) {
    for (auto& output : node.outputs_) output.grad = Tensor();
  }

  void push(const std::shared_ptr<Node>& node) {
    if (queued_.insert(node.get()).second) waiting_.push(node);
  }

  std::shared_ptr<Node> pop() {
    std::shared_ptr<Node> node = waiting_.top();
    waiting_.pop();
    queued_.erase(node.get());
    return node;
  }

  void visit(Node& node) {
    const ClearAtEnd at_end{node};
    for (const Edge& e : node.inputs())
      if (e.node) push(e.node);
    if (std::ranges::any_of(node.outputs_, [](const auto& output) { return output.grad.defined(); })) run_closure(node);
    if (!options_.keep_graph) {
      node.fn_ = nullptr;
      node.grad_slot_ = nullptr;
    }
    if (options_.on_final)
      for (const Edge& e : node.inputs())
        if (e.leaf && --uses_[e.leaf.get()] == 0) options_.on_final(*e.leaf);
  }

  static void run_closure(Node& node) {
    require(node.fn_ != nullptr, node.op(),
            "this graph was freed by an earlier backward; pass keep_graph to walk it twice");
    Backward context(node);
    try {
      node.fn_(context);
      if (Tripwire::active()) check_leaves(node);
    } catch (const CudaError&) {
      throw;
    } catch (const Error& error) {
      throw Error(text("backward of ", node.op(), node.path().empty() ? "" : " in ", node.path(), ": ", error.what()));
    }
  }

  /// Gradients that the closure added in place (Backward::sum) never passed give().
  static void check_leaves(const Node& node) {
    for (const Edge& e : node.inputs())
      if (e.leaf) check_finite("tripwire", "", text("gradient of '", e.leaf->name, "'").c_str(), e.leaf->grad);
  }

  void count_uses(const std::shared_ptr<Node>& root) {
    std::unordered_set<const Node*> seen{root.get()};
    std::vector<const Node*> stack{root.get()};
    while (!stack.empty()) {
      const Node* node = stack.back();
      stack.pop_back();
      for (const Edge& e : node->inputs()) {
        if (e.leaf) ++uses_[e.leaf.get()];
        if (e.node && seen.insert(e.node.get()).second) stack.push_back(e.node.get());
      }
    }
  }

  const BackwardOptions& options_;
  std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, Older> waiting_;
  std::unordered_set<const Node*> queued_;
  std::unordered_map<const Leaf*, int64_t> uses_;
};

namespace {

/// A leaf as root: the walk needs a node to start from.
Var with_node(const Var& root) {
  if (root.node()) return root;
  const WithGrad recording;
  return record("backward", {root}, root.value(), [](Backward& b) { b.give(0, b.dy()); });
}

}  // namespace

void backward(const Var& given_root, const BackwardOptions& given) {
  require(given_root.requires_grad(), "backward", "root must depend on a leaf, got the constant ", given_root);
  const Var root = with_node(given_root);
  BackwardOptions options = given;
  if (!options.seed.defined()) {
    require(root.numel() == 1, "backward", "root must have one element without a seed, got ", root);
    options.seed = full(root.shape(), 1, root.dtype(), root.device());
  }
  const Tensor& seed = options.seed;
  require(seed.shape() == root.shape() && seed.dtype() == root.dtype() && seed.device() == root.device(), "backward",
          "seed must be like root, ", root.value(), ", got ", seed);
  const NoGrad no_history;
  BackwardWalk walk(options);
  walk.start(root);
  walk.run();
}

}  // namespace matmix
