#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autograd/no_grad.h"
#include "nn/parameter.h"

namespace matmix::nn {

class Visitor;

/// Something with learned parts. It lists them exactly once, in visit(); storage, counting, saving, loading, gradients
/// and names are all that one walk.
class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Calls v(name, part) for every Parameter and child Module, in a fixed order.
  virtual void visit(Visitor& v) = 0;
  /// The name its parent's visit() gave it ("layers.3"), once a walk has passed; "" at the root.
  const std::string& name() const { return name_; }

 private:
  friend class Visitor;
  std::string name_;
};

/// A walk over modules. Paths are the names joined by dots.
class Visitor {
 public:
  virtual ~Visitor() = default;

  void operator()(std::string_view name, Parameter& p) {
    if (p.defined()) parameter(path_of(name), p);
  }
  void operator()(std::string_view name, Module& child);
  template <std::derived_from<Module> M>
  void operator()(std::string_view name, const std::unique_ptr<M>& child) {
    if (child) (*this)(name, static_cast<Module&>(*child));
  }
  /// A list: name.0, name.1, ...
  template <std::derived_from<Module> M>
  void operator()(std::string_view name, const std::vector<std::unique_ptr<M>>& children) {
    for (size_t i = 0; i < children.size(); ++i) (*this)(text(name, ".", i), children[i]);
  }

 protected:
  virtual void parameter(const std::string& path, Parameter& p) = 0;

 private:
  std::string path_of(std::string_view name) const;
  std::string prefix_;
};

/// Calls f(path, parameter) for every parameter of a module, tied ones at each of their paths.
void for_each_parameter(Module& module, const std::function<void(const std::string&, Parameter&)>& f);

/// Opened at the top of a module's forward: ops inside know the module's path.
class ModuleScope : private PathScope {
 public:
  explicit ModuleScope(const Module& module) : PathScope(module.name()) {}
};

}  // namespace matmix::nn
