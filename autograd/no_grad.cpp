#include "autograd/no_grad.h"

#include <utility>

namespace matmix {
namespace {

thread_local bool recording = true;
thread_local bool tripwire = false;
thread_local std::string path;

}  // namespace

bool grad_enabled() { return recording; }
NoGrad::NoGrad(bool enabled) : outer_(std::exchange(recording, enabled)) {}
NoGrad::~NoGrad() { recording = outer_; }

const std::string& current_path() { return path; }

PathScope::PathScope(std::string_view name) : outer_length_(path.size()) {
  if (!path.empty() && !name.empty()) path += '.';
  path += name;
}
PathScope::~PathScope() { path.resize(outer_length_); }

AtPath::AtPath(std::string at) : outer_(std::exchange(path, std::move(at))) {}
AtPath::~AtPath() { path = std::move(outer_); }

Tripwire::Tripwire(bool on) : outer_(std::exchange(tripwire, on)) {}
Tripwire::~Tripwire() { tripwire = outer_; }
bool Tripwire::active() { return tripwire; }

}  // namespace matmix
