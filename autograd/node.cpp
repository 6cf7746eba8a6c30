#include "autograd/node.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "autograd/finite.h"
#include "autograd/free_variables.h"
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

/// Whether some elements of x are the same bytes, as after expand().
bool repeats(const Tensor& x) {
  for (int i = 0; i < x.rank(); ++i)
    if (x.dim(i) > 1 && x.stride(i) == 0) return true;
  return false;
}

/// A gradient buffer given from outside must be what the leaf states.
void check_buffer(const char* op, const Edge& e) {
  const Tensor& grad = e.leaf->grad;
  require(grad.shape() == e.shape && grad.dtype() == e.grad_dtype && grad.device() == e.device, op, "gradient of '",
          e.leaf->name, "' must be ", e.grad_dtype, " ", e.shape, " on ", e.device, ", got ", grad);
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
  for (const Tensor& y : outputs) outputs_.push_back({y.shape(), Tensor()});
}

Node::~Node() {
  // The first node to die releases the others one by one: they queue their inputs here instead of dying in depth.
  thread_local std::vector<std::shared_ptr<Node>>* queue = nullptr;
  std::vector<std::shared_ptr<Node>> own;
  const bool first = queue == nullptr;
  if (first) queue = &own;
  fn_ = nullptr;
  for (Edge& e : inputs_)
    if (e.node) queue->push_back(std::move(e.node));
  if (!first) return;
  while (!own.empty()) {
    const std::shared_ptr<Node> last = std::move(own.back());
    own.pop_back();
  }
  queue = nullptr;
}

bool Backward::twice(int input) const {
  const Edge& e = edge(input);
  return std::ranges::count_if(node_.inputs_, [&](const Edge& other) {
           return other.node == e.node && other.slot == e.slot && other.leaf == e.leaf;
         }) > 1;
}

Tensor Backward::target(int input) const {
  const Edge& e = edge(input);
  if (!e.needed()) return Tensor();
  if (e.node && e.node->grad_slot_ && !e.node->outputs_[static_cast<size_t>(e.slot)].grad.defined() && !twice(input))
    return e.node->grad_slot_(e.slot);
  return empty(e.shape, e.grad_dtype, e.device);
}

std::optional<Tensor> Backward::sum(int input) const {
  const Edge& e = edge(input);
  if (!e.leaf || !e.leaf->grad.defined() || twice(input)) return std::nullopt;
  check_buffer(node_.op(), e);
  e.leaf->grad.bump_version();
  return e.leaf->grad;
}

void Backward::give(int input, const Tensor& dx) const {
  const Edge& e = edge(input);
  if (!e.needed()) return;
  require(dx.defined(), node_.op(), "gradient of input ", input, " must be defined");
  if (Tripwire::active()) check_finite("tripwire", "", text("gradient of input ", input).c_str(), dx);
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
  if (e.leaf) check_buffer(node_.op(), e);
  // A gradient that somebody else can see (dy handed to two inputs) must not be changed in place, and one that
  // repeats its elements cannot be.
  if (!e.leaf && !in_slot && (sink.use_count() > 1 || repeats(sink))) {
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
  if (tensor_.defined() && tensor_.version() != version_)
    throw Error(text("'", name_, "' (", tensor_,
                     ") was changed in place after it was kept for backward: version must be ", version_, ", got ",
                     tensor_.version()));
  return tensor_;
}

void check_finite(const char* op, const std::string& path, const char* what, const Tensor& x) {
  if (!x.defined() || !is_floating(x.dtype())) return;
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
  if (CaptureScope* scope = CaptureScope::current()) scope->add(inputs);
  const bool wanted = grad_enabled() && std::ranges::any_of(inputs, &Var::requires_grad);
  if (!wanted) return {outputs.begin(), outputs.end()};

  auto node = std::make_shared<Node>(op, std::vector<Edge>(inputs.begin(), inputs.end()), outputs, std::move(fn),
                                     std::move(grad_slot), saved);
  SavedBytes& total = saved_by_op[op];
  ++total.calls;
  total.bytes += saved;
  std::vector<Var> results;
  for (const Tensor& y : outputs) {
    const int slot = static_cast<int>(results.size());
    results.push_back(y.defined() && is_floating(y.dtype()) ? Var(y, node, slot) : Var(y));
  }
  return results;
}

Var record(const char* op, const std::vector<Var>& inputs, const Tensor& output, BackwardFn fn) {
  return std::move(record(op, inputs, std::vector<Tensor>{output}, std::move(fn)).front());
}

const std::map<std::string, SavedBytes>& saved_bytes() { return saved_by_op; }
void reset_saved_bytes() { saved_by_op.clear(); }

}  // namespace matmix
