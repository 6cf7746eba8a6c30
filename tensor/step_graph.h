#pragma once

#include <functional>
#include <memory>

#include "tensor/storage.h"

namespace matmix {

/// A step recorded once as a CUDA graph and replayed with one launch. Everything the step queues on the device is
/// recorded with its addresses, so the step must not read device values on the host, nor cross to the host, and
/// tensors it reads and writes must outlive the graph. What the step allocates comes from a pool of the graph's own:
/// nobody else is handed those blocks while the graph lives, and tensors kept from the step stay valid.
class StepGraph {
 public:
  /// CUDA only; Error otherwise.
  explicit StepGraph(Device device);
  ~StepGraph();
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  /// Calls step() once, recording instead of running it: nothing has been computed when it returns. Run a step eagerly
  /// before, so that whatever is made on first use exists. No other thread may use the device meanwhile: its work would
  /// be recorded too. What step throws ends the recording and is thrown on.
  /// Error if something was captured already.
  void capture(const std::function<void()>& step);
  /// Queues the recorded step; Error before capture.
  void launch();
  bool captured() const { return graph_ != nullptr; }

 private:
  Device device_;
  std::shared_ptr<MemoryPool> pool_;
  void* graph_ = nullptr;
};

}  // namespace matmix
