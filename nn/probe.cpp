#include "nn/probe.h"

#include "autograd/no_grad.h"

namespace matmix::nn {
namespace {
thread_local Probe* open_probe = nullptr;
}

Probe::Probe() : outer_(std::exchange(open_probe, this)) {}
Probe::~Probe() { open_probe = outer_; }

void probe(std::string_view name, const Var& x) {
  if (!open_probe) return;
  const std::string& path = current_path();
  open_probe->values_.emplace_back(path.empty() ? std::string(name) : text(path, ".", name), x);
}

}  // namespace matmix::nn
