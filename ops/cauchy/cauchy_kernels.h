#pragma once

#include "ops/cauchy/zolotarev.h"
#include "tensor/kernel.h"
#include "tensor/tensor.h"

// 1 / (a + b) is symmetric, and so are the kernels: one side of it is `own`, the other `other`.
namespace matmix {

/// What the sums of each row and head look like. All but rank in Accumulator<T>, contiguous.
struct CauchyPlan {
  Tensor rank;   ///< I64 [B, H]: terms of the sum; 0: done exactly
  Tensor shift;  ///< [B, H, E]: a + shift and b - shift lie in one interval
  Tensor nodes;  ///< [B, H, E, J]: p_1 .. p_rank, J the most terms
  double accuracy;

  int64_t J() const { return nodes.dim(3); }
};

/// y_i = scale sum_j sum_d 1 / (own_id + other_jd) w_j,   down_id = -scale sum_j x_i . w_j / (own_id + other_jd)^2.
struct CauchySide {
  Tensor own, other;  ///< [B, L, H, E] Accumulator<T>, dense rows; batches may have stride 0
  bool own_is_a;      ///< says the sign of the shift
  Tensor w;           ///< [B, L, H, P] T, dense rows
  Tensor x;           ///< [B, L, H, P] T, dense rows; undefined where down is
  Tensor y;           ///< [B, L, H, P] T, contiguous; undefined if not wanted
  Tensor down;        ///< [B, L, H, E] Accumulator<T>, contiguous; undefined if not wanted
  double scale;
};

// Sizes are at least 1, but J may be 0.
//   plan     from the values of a and b
//   collect  Z [B, H, E, J, P] Accumulator<T>, contiguous:  Z_dj = sum_i f_j(x_id) w_i, of x = a or b, where rank > 0
//   apply    y and down of a side:  sum_dj f_j(own_d) Z_dj and so on where rank > 0, else entry by entry
using CauchyPlanEntry = void(const Tensor& a, const Tensor& b, const CauchyPlan& plan);
using CauchyCollectEntry = void(const Tensor& x, bool is_a, const Tensor& w, const CauchyPlan& plan, const Tensor& Z);
using CauchyApplyEntry = void(const CauchySide& side, const CauchyPlan& plan, const Tensor& Z);
namespace cpu {
CauchyPlanEntry cauchy_plan;
CauchyCollectEntry cauchy_collect;
CauchyApplyEntry cauchy_apply;
}  // namespace cpu
namespace cuda {
CauchyPlanEntry cauchy_plan;
CauchyCollectEntry cauchy_collect;
CauchyApplyEntry cauchy_apply;
}  // namespace cuda
inline constexpr Kernel kCauchyPlan{"cauchy_plan", cpu::cauchy_plan, IF_CUDA(cuda::cauchy_plan)};
inline constexpr Kernel kCauchyCollect{"cauchy_collect", cpu::cauchy_collect, IF_CUDA(cuda::cauchy_collect)};
inline constexpr Kernel kCauchyApply{"cauchy_apply", cpu::cauchy_apply, IF_CUDA(cuda::cauchy_apply)};

}  // namespace matmix
