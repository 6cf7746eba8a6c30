#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"
#include "tensor/walk.h"

namespace matmix {

/// One stage of a sum. into[i] = (add ? into[i] : 0) + sum over j of x[i, j], not empty:
///   outputs  index i: strides a in into, b in x
///   summed   index j: strides b in x; rank 0 for one term
/// Sums and the addition are in double if into or x is F64, else in float.
struct SumPlan {
  Walk outputs;
  Walk summed;
  bool add;
};

using SumEntry = void(const Tensor& into, const Tensor& x, const SumPlan& plan);
namespace cpu {
SumEntry sum;
}  // namespace cpu
namespace cuda {
SumEntry sum;
}  // namespace cuda
inline constexpr Kernel kSum{"accumulate", cpu::sum, IF_CUDA(cuda::sum)};

}  // namespace matmix
