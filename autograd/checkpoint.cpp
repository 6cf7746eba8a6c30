#include "autograd/checkpoint.h"

#include <utility>

#include "autograd/backward.h"
#include "autograd/free_variables.h"
#include "autograd/no_grad.h"
#include "autograd/node.h"

namespace matmix {
namespace {

using Segment = std::function<Var(const std::vector<Var>&)>;

/// What is kept of an input or of a leaf that f captured: a leaf itself, of others the value.
struct Kept {
  Var leaf;
  Saved value;
  bool wanted;

  explicit Kept(const Var& x)
      : leaf(x.leaf() ? x : Var()),
        value(x.value(), x.leaf() ? x.leaf()->name.c_str() : "input"),
        wanted(x.requires_grad()) {}

  /// As f sees it when it runs again: cut off from the op that made it.
  Var again() const {
    const Tensor& unchanged = value;
    if (leaf.defined()) return leaf;
    return wanted ? matmix::leaf(unchanged, "input of checkpoint") : Var(unchanged);
  }
};

/// f's value; the leaves that f captured are added to `sources`.
Tensor run_unrecorded(const Segment& f, std::vector<Var>& sources) {
  std::vector<Var> values;
  for (const Var& x : sources) values.push_back(x.detach());
  const NoGrad nothing_kept;
  CaptureScope scope;
  const Var y = f(values);
  scope.add({y});
  for (const Var& x : scope.captured()) {
    require(x.leaf() != nullptr, "checkpoint", "f must take values with history as inputs, but it captured ", x);
    sources.push_back(x);
  }
  return y.value();
}

Var run_recorded(const Segment& f, const std::vector<Var>& inputs, const std::string& path) {
  const WithGrad recording;
  const AtPath same_path(path);
  return f(inputs);
}

}  // namespace

Var checkpoint(const Segment& f, const std::vector<Var>& inputs) {
  if (!grad_enabled()) return f(inputs);
  std::vector<Var> sources = inputs;
  const Tensor y = run_unrecorded(f, sources);
  const std::vector<Kept> kept(sources.begin(), sources.end());
  return record("checkpoint", sources, y, [f, kept, count = inputs.size(), path = current_path()](Backward& b) {
    std::vector<Var> again;
    for (const Kept& x : kept) again.push_back(x.again());
    again.resize(count);
    const Var root = run_recorded(f, again, path);
    if (!root.requires_grad()) return;
    backward(root, {.seed = b.dy()});
    for (size_t i = 0; i < count; ++i)
      if (b.needs(static_cast<int>(i)) && !kept[i].leaf.defined() && again[i].grad().defined())
        b.give(static_cast<int>(i), again[i].grad());
  });
}

}  // namespace matmix
