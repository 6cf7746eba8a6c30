#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// gather:   y[a, i, w] = x[a, index[a, i, w], w], NaN for an index outside [0, n) (CUDA; the CPU is given none).
///   x [A, n, W], y [A, m, W], one floating dtype
/// scatter:  y[a, index[a, i, w], w] += x[a, i, w] in ascending i; an index outside [0, n) is passed over.
///   x [A, m, W] floating, y [A, n, W] in Accumulator<T>
///   index [A, m, W] I64, any strides; the others contiguous; A, m, n, W > 0
using GatherEntry = void(const Tensor& x, const Tensor& index, const Tensor& y);
using ScatterEntry = void(const Tensor& x, const Tensor& index, const Tensor& y);
namespace cpu {
GatherEntry gather;
ScatterEntry scatter;
}  // namespace cpu
namespace cuda {
GatherEntry gather;
ScatterEntry scatter;
}  // namespace cuda
inline constexpr Kernel kGather{"gather", cpu::gather, IF_CUDA(cuda::gather)};
inline constexpr Kernel kScatter{"scatter", cpu::scatter, IF_CUDA(cuda::scatter)};

}  // namespace matmix
