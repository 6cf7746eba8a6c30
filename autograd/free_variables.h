#pragma once

#include <vector>

#include "autograd/var.h"

namespace matmix {

/// While it lives, ops on this thread note here which Vars with a gradient they use: under NoGrad these are the leaves
/// and results that a function took from outside.
class CaptureScope {
 public:
  CaptureScope();
  ~CaptureScope();
  CaptureScope(const CaptureScope&) = delete;
  CaptureScope& operator=(const CaptureScope&) = delete;
  /// The innermost one of this thread, or null.
  static CaptureScope* current();

  void add(const std::vector<Var>& inputs);
  /// Each once, in order of first use.
  const std::vector<Var>& captured() const { return captured_; }

 private:
  CaptureScope* outer_;
  std::vector<Var> captured_;
};

}  // namespace matmix
