#pragma once

#include <cuda_runtime.h>

#include <climits>
#include <cstdint>

#include "tensor/error.h"

namespace matmix::cuda {

/// Throws CudaError("<what>: <CUDA's reason>") unless status is cudaSuccess.
void cuda_check(cudaError_t status, const char* what);

/// The stream of this thread's current device (Kernel makes a device current). One a device, shared by all threads:
/// everything queued on a device runs in order. Not the default stream, so that it can be captured.
cudaStream_t stream();

/// True while work queued on stream() is recorded into a graph instead of run.
bool capturing();

/// Blocks of a 1-D grid that covers n items, at least 1 (a kernel tests its bounds, so n = 0 is no special case).
/// Use: f<<<blocks(n, 256), 256, 0, stream()>>>(...);
inline unsigned blocks(int64_t n, int64_t per_block) {
  const int64_t count = n > 0 ? (n + per_block - 1) / per_block : 1;
  require(count <= INT_MAX, "launch", n, " items need ", count, " blocks; a grid holds ", INT_MAX);
  return static_cast<unsigned>(count);
}

}  // namespace matmix::cuda
