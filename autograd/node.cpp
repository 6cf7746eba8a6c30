#include "autograd/node.h"

#include <atomic>
#include <cmath>
#include <utility>

#include "autograd/finite.h"
#include "autograd/no_grad.h"
#include "autograd/trace.h"
#include "tensor/accumulate.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

std::atomic<uint64_t> next_id{1};
thread_local int64_t pending_saved_bytes = 0;
thread_local std::map<std::string, SavedBytes> saved_by_op;

Shape unravel(int64_t flat, const Shape& shape) {
  Shape index = shape;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    index[i] = flat % shape[i];
    flat /= shape[i];
  }
  return index;
}

}  // namespace

Edge::Edge(const Var& x) : node(x.node()), slot(x.slot()), leaf(x.leaf()) {
  if (!needed()) return;
  shape = x.shape();
  grad_dtype = leaf ? leaf->grad_dtype : x.dtype();
  device = x.device();
}

Node::Node(const char* op, std::vector<Edge> inputs, const std::vector<Tensor>& outputs, BackwardFn fn,
           GradSlot grad_slot, int64_t saved_bytes)
    : op_(op),
      path_(current_path()),
      id_(next_id.fetch_add(1, std::memory_order_relaxed)),
      inputs_(std::move(inputs)),
      fn_(std::move(fn)),
      grad_slot_(std::move(grad_slot)),
      saved_bytes_(saved_bytes) {
  for (const Tensor& y : outputs) outputs_.push_back({y.shape(), y.dtype(), y.device(), Tensor()});
}

Node::~Node() {
  // Nodes that only this one keeps alive are queued instead of destroyed in depth.
  thread_local std::vector<std::shared_ptr<Node>> dying;
  thread_local bool draining = false;
  fn_ = nullptr;
  for (Edge& e : inputs_)
    if (e.node && e.node.use_count() == 1) dying.push_back(std::move(e.node));
  if (draining) return;
  draining = true;
  while (!dying.empty()) {
    const std::shared_ptr<Node> last = std::move(dying.back());
    dying.pop_back();
  }
  draining = false;
}

Tensor Backward::target(int input) const {
  const Edge& e = edge(input);
  if (e.node && e.node->grad_slot_ && !e.node->outputs_[static_cast<size_t>(e.slot)].grad.defined())
    return e.node->grad_slot_(e.slot);
  return empty(e.shape, e.grad_dtype, e.device);
}

std::optional<Tensor> Backward::sum(int input) const {
  const Edge& e = edge(input);
  if (e.leaf && e.leaf->grad.defined()) {
    e.leaf->grad.bump_version();
    return e.leaf->grad;
  }
  return std::nullopt;
}

void Backward::give(int input, const Tensor& dx) const {
  const Edge& e = edge(input);
  if (!e.needed()) return;
  if (Tripwire::active()) check_finite(node_.op(), node_.path(), text("gradient of input ", input).c_str(), dx);
  require(broadcast_shapes(e.shape, dx.shape(), node_.op()) == dx.shape(), node_.op(), "gradient of input ", input,
          " must have shape ", e.shape, " or one it was broadcast to, got ", dx.shape());
  Tensor& sink = e.leaf ? e.leaf->grad : e.node->outputs_[static_cast<size_t>(e.slot)].grad;
  const bool in_slot = e.node && e.node->grad_slot_;
  if (!sink.defined()) {
    if (!in_slot && !e.leaf && dx.shape() == e.shape && dx.dtype() == e.grad_dtype) {
      sink = dx;
      return;
    }
    sink = in_slot ? e.node->grad_slot_(e.slot) : empty(e.shape, e.grad_dtype, e.device);
    if (!sink.same_view_as(dx)) reduce_into(sink, dx);
    return;
  }
  // A gradient that somebody else can see (dy handed to two inputs) must not be changed in place.
  if (!e.leaf && !in_slot && sink.use_count() > 1) {
    const Tensor own = empty(e.shape, e.grad_dtype, e.device);
    copy(own, sink);
    sink = own;
  }
  accumulate(sink, dx);
}

Saved::Saved(const Tensor& tensor, const char* name)
    : tensor_(tensor), version_(tensor.defined() ? tensor.version() : 0), name_(name) {
  if (tensor.defined()) pending_saved_bytes += static_cast<int64_t>(tensor.bytes());
}

const Tensor& Saved::get() const {
  require(!tensor_.defined() || tensor_.version() == version_, "backward", "'", name_, "' (", tensor_,
          ") was changed in place after it was kept: version ", tensor_.defined() ? tensor_.version() : 0,
          ", expected ", version_);
  return tensor_;
}

void check_finite(const char* op, const std::string& path, const char* what, const Tensor& x) {
  if (!is_floating(x.dtype())) return;
  const std::vector<double> values = to_vector<double>(x);
  for (size_t i = 0; i < values.size(); ++i)
    require(std::isfinite(values[i]), text(op, path.empty() ? "" : " in ", path), what, " is ", values[i], " at ",
            unravel(static_cast<int64_t>(i), x.shape()), "; ", x);
}

std::vector<Var> record(const char* op, const std::vector<Var>& inputs, const std::vector<Tensor>& outputs,
                        BackwardFn fn, GradSlot grad_slot) {
  const int64_t saved = std::exchange(pending_saved_bytes, 0);
  if (Tripwire::active())
    for (const Tensor& y : outputs) check_finite(op, current_path(), "output", y);
  bool wanted = false;
  if (grad_enabled())
    for (const Var& x : inputs) wanted |= x.requires_grad();
  if (!wanted) return {outputs.begin(), outputs.end()};

  auto node = std::make_shared<Node>(op, std::vector<Edge>(inputs.begin(), inputs.end()), outputs, std::move(fn),
                                     std::move(grad_slot), saved);
  SavedBytes& total = saved_by_op[op];
  ++total.calls;
  total.bytes += saved;
  std::vector<Var> results;
  for (size_t i = 0; i < outputs.size(); ++i) results.emplace_back(outputs[i], node, static_cast<int>(i));
  return results;
}

Var record(const char* op, const std::vector<Var>& inputs, const Tensor& output, BackwardFn fn) {
  return std::move(record(op, inputs, std::vector<Tensor>{output}, std::move(fn)).front());
}

const std::map<std::string, SavedBytes>& saved_bytes() { return saved_by_op; }
void reset_saved_bytes() { saved_by_op.clear(); }

}  // namespace matmix
