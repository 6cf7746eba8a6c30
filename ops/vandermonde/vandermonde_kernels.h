#pragma once

#include "ops/vandermonde/vandermonde_grid.h"
#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace matmix {

/// N_im = sum_d h(x_id, m) of own tokens i and places m: a token's place in the row, where
///   h(x, m) = cos(2 pi eps x m) - lift,
/// or, if there is a grid, a row of it, with which these cosines are made of the waves cos(2 pi m j / n) / phihat_j of
/// its points and the powers (j / L)^(2 r) of its moments: N times those is sum_d cos(2 pi eps x_id j) - lift.
struct VandermondeBasis {
  double eps;
  double lift = 0;
  Grid grid = {};  ///< n = 0: none
};

// All F64, or all F32. Of tokens: x [B, L, H, E], dense rows (batches may have stride 0); u, y [B, L, H, P].
// Of places: w, S [B, M, H, P]; M = L without a grid, else its rows(). w and u have dense rows, results are contiguous.
//   gather  y = N w        spread  S = N' u        slope  dx_id = sum_m (w_m . u_i) dh(x_id, m)/dx, dx as x, contiguous
//   tables  filter_j = 1 / phihat_j, [L, 1, 1], and powers [L, kMoments] of a grid
// Sizes are at least 1.
using VandermondeGatherEntry = void(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& y);
using VandermondeSpreadEntry = void(const VandermondeBasis& basis, const Tensor& x, const Tensor& u, const Tensor& S);
using VandermondeSlopeEntry = void(const VandermondeBasis& basis, const Tensor& x, const Tensor& w, const Tensor& u,
                                   const Tensor& dx);
using VandermondeTablesEntry = void(const Grid& grid, const Tensor& filter, const Tensor& powers);
namespace cpu {
VandermondeGatherEntry vandermonde_gather;
VandermondeSpreadEntry vandermonde_spread;
VandermondeSlopeEntry vandermonde_slope;
VandermondeTablesEntry vandermonde_tables;
}  // namespace cpu
namespace cuda {
VandermondeGatherEntry vandermonde_gather;
VandermondeSpreadEntry vandermonde_spread;
VandermondeSlopeEntry vandermonde_slope;
VandermondeTablesEntry vandermonde_tables;
}  // namespace cuda
inline constexpr Kernel kVandermondeGather{"vandermonde_gather", cpu::vandermonde_gather,
                                           IF_CUDA(cuda::vandermonde_gather)};
inline constexpr Kernel kVandermondeSpread{"vandermonde_spread", cpu::vandermonde_spread,
                                           IF_CUDA(cuda::vandermonde_spread)};
inline constexpr Kernel kVandermondeSlope{"vandermonde_slope", cpu::vandermonde_slope,
                                          IF_CUDA(cuda::vandermonde_slope)};
inline constexpr Kernel kVandermondeTables{"vandermonde_tables", cpu::vandermonde_tables,
                                           IF_CUDA(cuda::vandermonde_tables)};

}  // namespace matmix
