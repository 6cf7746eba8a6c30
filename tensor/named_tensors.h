#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace matmix {

/// Tensors by name, in the order they were put: a batch, the inputs of a model, the content of a file.
class NamedTensors {
 public:
  using Entry = std::pair<std::string, Tensor>;

  NamedTensors() = default;
  NamedTensors(std::initializer_list<Entry> entries);

  /// Error naming it and the nearest names present.
  const Tensor& at(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// Error on a name that is there already.
  void put(std::string name, Tensor x);

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  const Entry& operator[](size_t i) const { return entries_[i]; }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  const Tensor* find(std::string_view name) const;

  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> index_;  ///< of a name's entry
};

}  // namespace matmix
