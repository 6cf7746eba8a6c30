#include "tensor/step_graph.h"

#include "tensor/error.h"
#include "tensor/runtime.h"

namespace matmix {

StepGraph::StepGraph(Device device) : device_(device), pool_(std::make_shared<MemoryPool>(device)) {
  require(device.is_cuda(), "capture", "a step can be captured on CUDA only, got ", device);
}

StepGraph::~StepGraph() {
  if (captured()) runtime(device_).graph_destroy(graph_);
}

void StepGraph::capture(const std::function<void()>& step) {
  require(!captured(), "capture", "this graph holds a step already");
  const Runtime& device = runtime(device_);
  const PoolScope own_memory(pool_);
  device.capture_begin(device_.index);
  try {
    step();
  } catch (...) {
    device.capture_abort(device_.index);
    throw;
  }
  graph_ = device.capture_end(device_.index);
}

void StepGraph::launch() {
  require(captured(), "capture", "no step has been captured yet");
  runtime(device_).graph_launch(device_.index, graph_);
}

}  // namespace matmix
