#include "nn/module.h"

namespace matmix::nn {

const Var& Parameter::var() const {
  require(!defined_ || var_.defined(), "parameter", "of shape ", shape_,
          " has no storage yet; make a ParameterStore of its model first");
  return var_;
}

std::string Visitor::path_of(std::string_view name) const {
  return prefix_.empty() ? std::string(name) : text(prefix_, ".", name);
}

void Visitor::operator()(std::string_view name, Module& child) {
  child.name_ = name;
  const std::string outer = prefix_;
  prefix_ = path_of(name);
  child.visit(*this);
  prefix_ = outer;
}

void for_each_parameter(Module& module, const std::function<void(const std::string&, Parameter&)>& f) {
  class Walk final : public Visitor {
   public:
    explicit Walk(const std::function<void(const std::string&, Parameter&)>& f) : f_(f) {}

   private:
    void parameter(const std::string& path, Parameter& p) override { f_(path, p); }
    const std::function<void(const std::string&, Parameter&)>& f_;
  };
  Walk walk(f);
  module.visit(walk);
}

}  // namespace matmix::nn
