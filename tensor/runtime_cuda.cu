#include <array>
#include <mutex>

#include "tensor/cuda/launch.cuh"
#include "tensor/runtime.h"

namespace matmix::cuda {
namespace {

int current_device() {
  int index = 0;
  cuda_check(cudaGetDevice(&index), "device");
  return index;
}

void enter(int index) { cuda_check(cudaSetDevice(index), "device"); }

/// No driver and no GPU are both an answer, not a failure.
int count() {
  static const int found = [] {
    int n = 0;
    if (cudaGetDeviceCount(&n) == cudaSuccess) return n;
    (void)cudaGetLastError();
    return 0;
  }();
  return found;
}

std::string name(int index) {
  cudaDeviceProp properties;
  cuda_check(cudaGetDeviceProperties(&properties, index), "device");
  return properties.name;
}

void* allocate(int index, size_t bytes) {
  enter(index);
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    return nullptr;
  }
  cuda_check(status, "allocate");
  return memory;
}

/// Called by destructors, so an error is left for the next check; at exit the driver may already be gone.
void release(int index, void* memory) {
  if (cudaSetDevice(index) == cudaSuccess) (void)cudaFree(memory);
}

void synchronize(int index) {
  enter(index);
  cuda_check(cudaStreamSynchronize(stream()), "synchronize");
}

void check(int index, const char* what, bool wait) {
  cuda_check(cudaGetLastError(), what);
  if (!wait) return;
  enter(index);
  if (!capturing()) cuda_check(cudaStreamSynchronize(stream()), what);
}

/// Relaxed: the pool may call cudaMalloc, which is no part of the graph, while the step is recorded.
void capture_begin(int index) {
  enter(index);
  cuda_check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed), "capture");
}

void* capture_end(int index) {
  enter(index);
  cudaGraph_t graph = nullptr;
  cuda_check(cudaStreamEndCapture(stream(), &graph), "capture");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
  (void)cudaGraphDestroy(graph);
  cuda_check(status, "capture");
  return executable;
}

/// A failed step may have invalidated the recording: the errors that ending it then gives are part of that failure.
void capture_abort(int index) {
  cudaGraph_t graph = nullptr;
  if (cudaSetDevice(index) == cudaSuccess) (void)cudaStreamEndCapture(stream(), &graph);
  if (graph != nullptr) (void)cudaGraphDestroy(graph);
  (void)cudaGetLastError();
}

void graph_launch(int index, void* graph) {
  enter(index);
  cuda_check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream()), "graph launch");
}

void graph_destroy(void* graph) { (void)cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)); }

}  // namespace

void cuda_check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) [[unlikely]]
    throw CudaError(text(what, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")"));
}

cudaStream_t stream() {
  constexpr int kMaxDevices = 64;
  static std::array<cudaStream_t, kMaxDevices> streams{};
  static std::array<std::once_flag, kMaxDevices> made;
  const int index = current_device();
  require(index < kMaxDevices, "device", "index must be below ", kMaxDevices, ", got ", index);
  const auto i = static_cast<size_t>(index);
  std::call_once(made[i], [&] { cuda_check(cudaStreamCreateWithFlags(&streams[i], cudaStreamNonBlocking), "stream"); });
  return streams[i];
}

bool capturing() {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  cuda_check(cudaStreamIsCapturing(stream(), &status), "capture");
  return status != cudaStreamCaptureStatusNone;
}

const Runtime kRuntime{
    .count = count,
    .name = name,
    .allocate = allocate,
    .release = release,
    .enter = enter,
    .check = check,
    .synchronize = synchronize,
    .capture_begin = capture_begin,
    .capture_end = capture_end,
    .capture_abort = capture_abort,
    .graph_launch = graph_launch,
    .graph_destroy = graph_destroy,
};

}  // namespace matmix::cuda
