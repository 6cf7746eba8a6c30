#pragma once

#include <cstddef>
#include <string>

#include "tensor/device.h"

namespace matmix {

/// What a kind of device offers below tensors: one table of functions a kind (cpu::kRuntime, cuda::kRuntime).
struct Runtime {
  int (*count)();
  std::string (*name)(int index);
  /// Raw memory, 256-byte aligned; nullptr when there is no more.
  void* (*allocate)(int index, size_t bytes);
  void (*release)(int index, void* memory);
  /// Makes the device current for this thread.
  void (*enter)(int index);
  /// Throws CudaError naming `what` if a launch failed; waits first if `wait`.
  void (*check)(int index, const char* what, bool wait);
  void (*synchronize)(int index);
  /// Work queued from begin to end is recorded, not run; end returns an executable to launch and destroy, abort
  /// drops what was recorded and does not throw.
  void (*capture_begin)(int index);
  void* (*capture_end)(int index);
  void (*capture_abort)(int index);
  void (*graph_launch)(int index, void* graph);
  void (*graph_destroy)(void* graph);
};

namespace cpu {
extern const Runtime kRuntime;
}
namespace cuda {
extern const Runtime kRuntime;
}

/// The table of a kind; Error where the build or machine has none.
const Runtime& runtime(Device device);

}  // namespace matmix
