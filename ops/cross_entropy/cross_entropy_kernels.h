#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// What each row is judged by, and what of it is kept for backward.
///   logits [T, V] dense rows; targets I64 [T] contiguous; stats [2, T] in Accumulator of the logits' dtype:
///   stats[0, t] = m = max_j x_j, stats[1, t] = log sum_j exp(x_j - m) for x = logits[t, :] (unwritten in rows that do
///   not count). Apart, not as their sum, so that logits of 1e4 cost the loss and the gradient no digits.
struct CrossEntropyRows {
  Tensor logits, targets, stats;
  int64_t ignore_index;
};

/// A target that counts.
HOST_DEVICE inline bool counts(int64_t target, int64_t V, int64_t ignore_index) {
  return target >= 0 && target < V && target != ignore_index;
}

/// What the sum of the losses is multiplied with: scale[0], or 1 / count where there is no scale (0 for no count).
HOST_DEVICE inline double loss_weight(const double* scale, int64_t count) {
  return scale != nullptr ? *scale : count > 0 ? 1.0 / static_cast<double>(count) : 0.0;
}

/// total, weight F64 [1]; count, correct I64 [1]; loss [] in the dtype of stats.
struct CrossEntropyTotals {
  Tensor total, count, correct, weight, loss;
};

/// rows:     rows.stats; losses[t] = log sum - (x_target - m), 0 where t does not count; hits[t] = 1 if the first
///           maximum is at the target.   losses F64 [T]; hits U8 [T]
/// totals:   total = sum losses, count, correct = sum hits, all in fixed order; weight as above; loss = weight total.
///           scale F64 [1] or undefined
/// backward: dlogits[t, v] = (exp(x_v - m - log sum) - [v is the target]) weight[0] dloss, 0 in rows that do not count.
///           dlogits [T, V] dense rows, in the logits' dtype; dloss [] in that of stats
using CrossEntropyRowsEntry = void(const CrossEntropyRows& rows, const Tensor& losses, const Tensor& hits);
using CrossEntropyTotalsEntry = void(const CrossEntropyRows& rows, const Tensor& losses, const Tensor& hits,
                                     const Tensor& scale, const CrossEntropyTotals& totals);
using CrossEntropyBackwardEntry = void(const CrossEntropyRows& rows, const Tensor& weight, const Tensor& dloss,
                                       const Tensor& dlogits);
namespace cpu {
CrossEntropyRowsEntry cross_entropy_rows;
CrossEntropyTotalsEntry cross_entropy_totals;
CrossEntropyBackwardEntry cross_entropy_backward;
}  // namespace cpu
namespace cuda {
CrossEntropyRowsEntry cross_entropy_rows;
CrossEntropyTotalsEntry cross_entropy_totals;
CrossEntropyBackwardEntry cross_entropy_backward;
}  // namespace cuda
inline constexpr Kernel kCrossEntropyRows{"cross_entropy_rows", cpu::cross_entropy_rows,
                                          IF_CUDA(cuda::cross_entropy_rows)};
inline constexpr Kernel kCrossEntropyTotals{"cross_entropy_totals", cpu::cross_entropy_totals,
                                            IF_CUDA(cuda::cross_entropy_totals)};
inline constexpr Kernel kCrossEntropyBackward{"cross_entropy_backward", cpu::cross_entropy_backward,
                                              IF_CUDA(cuda::cross_entropy_backward)};

}  // namespace matmix
