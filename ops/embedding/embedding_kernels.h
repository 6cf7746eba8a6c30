#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// forward:  y[t, :] = table[ids[t], :]; a row of NaN for an id outside [0, V) (CUDA; the CPU is given none).
/// backward: dtable[v, :] += sum over t with ids[t] = v of dy[t, :].
///   table, dtable [V, D] dense rows; dtable of any floating dtype     ids [T] I64 or I32; y, dy [T, D]; all contiguous
using EmbeddingForwardEntry = void(const Tensor& table, const Tensor& ids, const Tensor& y);
using EmbeddingBackwardEntry = void(const Tensor& dy, const Tensor& ids, const Tensor& dtable);
namespace cpu {
EmbeddingForwardEntry embedding_forward;
EmbeddingBackwardEntry embedding_backward;
}  // namespace cpu
namespace cuda {
EmbeddingForwardEntry embedding_forward;
EmbeddingBackwardEntry embedding_backward;
}  // namespace cuda
inline constexpr Kernel kEmbeddingForward{"embedding_forward", cpu::embedding_forward,
                                          IF_CUDA(cuda::embedding_forward)};
inline constexpr Kernel kEmbeddingBackward{"embedding_backward", cpu::embedding_backward,
                                           IF_CUDA(cuda::embedding_backward)};

/// Calls f(pointer to the ids in their own type).
template <class F>
void with_ids(const Tensor& ids, F&& f) {
  if (ids.dtype() == DType::I64)
    f(static_cast<const int64_t*>(ids.data<int64_t>()));
  else
    f(static_cast<const int32_t*>(ids.data<int32_t>()));
}

}  // namespace matmix
