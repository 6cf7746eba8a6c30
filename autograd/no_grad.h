#pragma once

#include <string>
#include <string_view>

namespace matmix {

/// Whether ops on this thread record history.
bool grad_enabled();

/// While it lives, ops on this thread record nothing.
class NoGrad {
 public:
  NoGrad() : NoGrad(false) {}
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 protected:
  explicit NoGrad(bool enabled);

 private:
  bool outer_;
};

/// While it lives, ops record again inside a NoGrad (recomputation in a checkpoint).
class WithGrad : private NoGrad {
 public:
  WithGrad() : NoGrad(true) {}
};

/// The module path that ops on this thread run under, "encoder.layers.3.mixer"; "" outside.
const std::string& current_path();

/// Appends ".name" to the path while it lives.
class PathScope {
 public:
  explicit PathScope(std::string_view name);
  ~PathScope();
  PathScope(const PathScope&) = delete;
  PathScope& operator=(const PathScope&) = delete;

 private:
  size_t outer_length_;
};

/// While it lives, `path` is the path, whatever it was outside (recomputation in a checkpoint).
class AtPath {
 public:
  explicit AtPath(std::string path);
  ~AtPath();
  AtPath(const AtPath&) = delete;
  AtPath& operator=(const AtPath&) = delete;

 private:
  std::string outer_;
};

/// While it lives, every value an op makes and every gradient a closure gives on this thread is checked for NaN and
/// infinity (waits for the device each time); Error naming op, module path, tensor and first bad index.
class Tripwire {
 public:
  explicit Tripwire(bool on = true);
  ~Tripwire();
  Tripwire(const Tripwire&) = delete;
  Tripwire& operator=(const Tripwire&) = delete;
  static bool active();

 private:
  bool outer_;
};

}  // namespace matmix
