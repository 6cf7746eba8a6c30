#include "nn/parameter_store.h"

#include <algorithm>
#include <unordered_map>

#include "tensor/create.h"
#include "tensor/nearest.h"
#include "tensor/transfer.h"

namespace matmix::nn {
namespace {

constexpr int64_t kAlignBytes = 256;

int64_t aligned(int64_t elements, DType dtype) {
  // The BF16 shadow shares offsets with the master, so alignment is counted in its two bytes.
  const int64_t step = kAlignBytes / static_cast<int64_t>(std::min<size_t>(size_of(dtype), 2));
  return (elements + step - 1) / step * step;
}

std::string to_string(const Group& group) {
  if (group.frozen) return "  frozen";
  return text(group.decay ? "  decay" : "  no decay", group.lr_scale == 1 ? "" : text("  lr * ", group.lr_scale));
}

bool begins_with_any(const std::string& name, const std::vector<std::string>& beginnings) {
  return std::ranges::any_of(beginnings, [&](const std::string& b) { return name.starts_with(b); });
}

}  // namespace

ParameterStore::ParameterStore(Module& model, Device device, MathMode mode, uint64_t seed, const Grouping& grouping)
    : mode_(mode) {
  lay_out(model, grouping);
  const DType dtype = master_dtype(mode);
  for (Tensor* flat : {&master_, &grad_}) *flat = zeros({length_}, dtype, device);
  if (mode == MathMode::kBF16) shadow_ = zeros({length_}, DType::BF16, device);
  for (const Entry& e : entries_) initialize(part(master_, e), e.init, {.seed = seed, .stream = stream_of(e.path)});
  refresh_shadow();
  bind(model);
}

void ParameterStore::lay_out(Module& model, const Grouping& grouping) {
  std::unordered_map<const Parameter*, size_t> seen;
  for_each_parameter(model, [&](const std::string& path, Parameter& p) {
    const auto [at, is_new] = seen.emplace(&p, entries_.size());
    if (!is_new) {
      entries_[at->second].aliases.push_back(path);
      return;
    }
    for (const Entry& e : entries_) require(e.path != path, "parameters", "two are named '", path, "'");
    entries_.push_back({path, {}, p.shape(), length_, p.shape().numel(), {}, p.init()});
    Entry& entry = entries_.back();
    entry.group.decay = p.decay() == Decay::kYes;
    if (grouping) entry.group = grouping(entry);
    // Far beyond any memory, and the bytes of every copy of so many can still be counted.
    constexpr int64_t kMost = int64_t{1} << 56;
    require(p.shape().numel() <= kMost - length_, "parameters", "a model must have at most ", kMost,
            " of them, got more with '", path, "' ", p.shape());
    length_ += aligned(p.shape().numel(), master_dtype(mode_));
    if (ranges_.empty() || ranges_.back().group != entry.group) ranges_.push_back({entry.offset, 0, entry.group});
    ranges_.back().length = length_ - ranges_.back().start;
  });
}

void ParameterStore::bind(Module& model) {
  std::unordered_map<std::string, const Entry*> by_path;
  for (const Entry& e : entries_) by_path[e.path] = &e;
  for_each_parameter(model, [&](const std::string& path, Parameter& p) {
    const auto found = by_path.find(path);
    if (found == by_path.end()) return;
    const Entry& e = *found->second;
    p.master_ = part(master_, e);
    const bool shadowed = shadow_.defined() && p.operand() == Operand::kGemm;
    const Tensor value = shadowed ? part(shadow_, e) : p.master_;
    if (e.group.frozen) {
      p.var_ = value;
      return;
    }
    auto sink = std::make_shared<Leaf>();
    sink->name = path;
    sink->grad_dtype = grad_.dtype();
    sink->grad = part(grad_, e);
    p.var_ = Var(value, std::move(sink));
  });
}

int64_t ParameterStore::count() const {
  int64_t n = 0;
  for (const Entry& e : entries_) n += e.size;
  return n;
}

Tensor ParameterStore::part(const Tensor& flat, const Entry& e) {
  return flat.narrow(0, e.offset, e.size).reshape(e.shape);
}

void ParameterStore::zero_grad() const { fill(grad_, 0); }

void ParameterStore::refresh_shadow() const {
  if (shadow_.defined()) copy(shadow_, master_);
}

void ParameterStore::save(TensorFile& file, const Tensor& flat, const std::string& prefix) const {
  for (const Entry& e : entries_) file.tensors.put(prefix + e.path, part(flat, e));
}

void ParameterStore::load(const TensorFile& file, const Tensor& flat, const LoadOptions& options) const {
  std::unordered_map<std::string, const Entry*> by_name;
  std::vector<std::string> known;
  for (const Entry& e : entries_) {
    by_name[options.prefix + e.path] = &e;
    for (const std::string& alias : e.aliases) by_name[options.prefix + alias] = &e;
    known.push_back(options.prefix + e.path);
  }
  std::unordered_map<const Entry*, const Tensor*> found;
  for (const auto& [name, x] : file.tensors) {
    const auto entry = by_name.find(name);
    if (entry == by_name.end()) {
      const bool ours = options.strict && name.starts_with(options.prefix) && !begins_with_any(name, options.also);
      if (ours) fail("load", "'", name, "' is no parameter; the nearest are ", nearest_names(name, known));
      continue;
    }
    const Shape& shape = entry->second->shape;
    require(x.shape() == shape, "load", "tensor '", name, "' must have shape ", shape, ", got ", x.shape());
    found[entry->second] = &x;
  }
  for (const Entry& e : entries_)
    if (!found.contains(&e) && !begins_with_any(e.path, options.may_miss)) file.at(options.prefix + e.path);
  for (const auto& [e, x] : found) copy(part(flat, *e), *x);
}

void ParameterStore::load(const TensorFile& file, const LoadOptions& options) const {
  load(file, master_, options);
  refresh_shadow();
}

std::string ParameterStore::describe() const {
  std::string table;
  for (const Entry& e : entries_) table += text(e.path, "  ", e.shape, "  ", e.init, to_string(e.group), "\n");
  return table;
}

}  // namespace matmix::nn
