#include "autograd/backward.h"

#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "autograd/no_grad.h"
#include "autograd/node.h"
#include "tensor/create.h"

namespace matmix {

/// The nodes that wait for their turn, newest first: every consumer of a node is newer than it, so when a node is
/// popped its gradient is complete.
class BackwardWalk {
 public:
  explicit BackwardWalk(const BackwardOptions& options) : options_(options) {}

  void start(const Var& root) {
    if (options_.on_final) count_uses(root.node());
    root.node()->outputs_[static_cast<size_t>(root.slot())].grad = options_.seed;
    push(root.node());
  }

  void run() {
    while (!waiting_.empty()) {
      const std::shared_ptr<Node> node = waiting_.top();
      waiting_.pop();
      queued_.erase(node.get());
      visit(*node);
    }
  }

 private:
  struct Older {
    bool operator()(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) const { return a->id() < b->id(); }
  };

  void push(const std::shared_ptr<Node>& node) {
    if (queued_.insert(node.get()).second) waiting_.push(node);
  }

  void visit(Node& node) {
    require(node.fn_ != nullptr, node.op(), "this graph was freed by an earlier backward; pass keep_graph to walk it twice");
    Backward context(node);
    try {
      node.fn_(context);
    } catch (const CudaError&) {
      throw;
    } catch (const Error& error) {
      throw Error(text("backward of ", node.op(), node.path().empty() ? "" : " in ", node.path(), ": ", error.what()));
    }
    for (auto& output : node.outputs_) output.grad = Tensor();
    if (!options_.keep_graph) node.fn_ = nullptr;
    for (const Edge& e : node.inputs())
      if (e.node) push(e.node);
    if (options_.on_final)
      for (const Edge& e : node.inputs())
        if (e.leaf && --uses_[e.leaf.get()] == 0) options_.on_final(*e.leaf);
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

void backward(const Var& root, const BackwardOptions& given) {
  require(root.node() != nullptr, "backward", "root has no history: ", root);
  BackwardOptions options = given;
  if (!options.seed.defined()) {
    require(root.numel() == 1, "backward", "root must have one element without a seed, got ", root);
    options.seed = full(root.shape(), 1, root.dtype(), root.device());
  }
  require(options.seed.shape() == root.shape(), "backward", "seed must have root's shape ", root.shape(), ", got ",
          options.seed.shape());
  const NoGrad no_history;
  BackwardWalk walk(options);
  walk.start(root);
  walk.run();
}

}  // namespace matmix
