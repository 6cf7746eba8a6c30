#pragma once

#include "ops/vandermonde/vandermonde_grid.h"
#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// N_im = sum_d h(x_id, m) of own tokens i and places m: a token's place in the row, where
///   h(x, m) = cos(2 pi eps x m) - lift,
/// or, if there is a grid, a point of it, where h(x, m) = sum of phi(g(x) - m') over the m' that fold to m.
struct VandermondeBasis {
  double eps;
  double lift = 0;
  Grid grid = {};  ///< n = 0: none
};

// All F64, or all F32. Of tokens: x [B, L, H, E], dense rows (batches may have stride 0); u, y [B, L, H, P].
// Of places: w, S [B, M, H, P]; M = L without a grid. w and u have dense rows, results are contiguous.
//   gather  y = N w        spread  S = N' u        slope  dx_id = sum_m (w_m . u_i) dh(x_id, m)/dx, dx as x, contiguous
//   filter  f_j = 1 / phihat_j of a grid, L numbers
// Sizes are at least 1.
namespace cpu {
void vandermonde_gather(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& y);
void vandermonde_spread(const VandermondeBasis& basis, const Tensor& x, const Tensor& u, const Tensor& S);
void vandermonde_slope(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& u,
                       const Tensor& dx);
void vandermonde_filter(const Grid& grid, const Tensor& f);
}  // namespace cpu
namespace cuda {
void vandermonde_gather(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& y);
void vandermonde_spread(const VandermondeBasis& basis, const Tensor& x, const Tensor& u, const Tensor& S);
void vandermonde_slope(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& u,
                       const Tensor& dx);
}  // namespace cuda
inline constexpr Kernel kVandermondeGather{"vandermonde_gather", cpu::vandermonde_gather,
                                           IF_CUDA(cuda::vandermonde_gather)};
inline constexpr Kernel kVandermondeSpread{"vandermonde_spread", cpu::vandermonde_spread,
                                           IF_CUDA(cuda::vandermonde_spread)};
inline constexpr Kernel kVandermondeSlope{"vandermonde_slope", cpu::vandermonde_slope,
                                          IF_CUDA(cuda::vandermonde_slope)};
inline constexpr Kernel kVandermondeFilter{"vandermonde_filter", cpu::vandermonde_filter, nullptr};

}  // namespace matmix
