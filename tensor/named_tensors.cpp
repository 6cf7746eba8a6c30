#include "tensor/named_tensors.h"

#include "tensor/nearest.h"

namespace matmix {

NamedTensors::NamedTensors(std::initializer_list<Entry> entries) {
  for (const auto& [name, x] : entries) put(name, x);
}

const Tensor* NamedTensors::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &entries_[found->second].second;
}

const Tensor& NamedTensors::at(std::string_view name) const {
  if (const Tensor* x = find(name)) return *x;
  if (empty()) fail("tensors", "there is no '", name, "': there are none");
  std::vector<std::string> known;
  for (const auto& [key, x] : entries_) known.push_back(key);
  fail("tensors", "there is no '", name, "'; the nearest names are ", nearest_names(name, known));
}

void NamedTensors::put(std::string name, Tensor x) {
  require(index_.emplace(name, entries_.size()).second, "tensors", "'", name, "' is there already");
  entries_.emplace_back(std::move(name), std::move(x));
}

}  // namespace matmix
