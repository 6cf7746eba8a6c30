#include "autograd/free_variables.h"

#include <algorithm>
#include <utility>

namespace matmix {
namespace {

thread_local CaptureScope* innermost = nullptr;

}  // namespace

CaptureScope::CaptureScope() : outer_(std::exchange(innermost, this)) {}
CaptureScope::~CaptureScope() { innermost = outer_; }
CaptureScope* CaptureScope::current() { return innermost; }

void CaptureScope::add(const std::vector<Var>& inputs) {
  for (const Var& x : inputs) {
    const auto same = [&](const Var& y) {
      return x.leaf() == y.leaf() && x.node() == y.node() && x.slot() == y.slot();
    };
    if (x.requires_grad() && std::ranges::none_of(captured_, same)) captured_.push_back(x);
  }
}

}  // namespace matmix
