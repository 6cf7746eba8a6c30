#pragma once

#include "autograd/var.h"

namespace matmix {

/// How the product is computed. kAuto: kSeries where all angles are small, kEntries up to 256 tokens, else kGrid. On
/// CUDA, where no value is looked at, kSeries is not taken.
enum class VandermondeForm { kAuto, kEntries, kSeries, kGrid };

struct VandermondeOptions {
  double scale = 1;
  double eps = 1e-3;  ///< turns a token and unit of q
  double sign = -1;   ///< of the second term
  /// Bound on the error of a cosine in kGrid, before rounding; 0: 1e-7 in F32 and BF16, 1e-10 in F64.
  double accuracy = 0;
  VandermondeForm form = VandermondeForm::kAuto;
};

/// Sums of E pairs of Vandermonde matrices a head:
///   M_ij = scale sum_d (cos(2 pi eps q_id j) + sign cos(2 pi eps k_jd i));   y = M v.
///   q, k [B or 1, L, H, E], v [B, L, H, P]; floating, one dtype and device, any strides.   Returns [B, L, H, P].
/// Turns are reduced in F64, so q may be of any size; sums in Accumulator<T>, those of kEntries in F64.
///
/// kEntries  entry by entry, each row of cosines by rotations in F64: O(L^2 (E + P)) a head, memory O(L P).
/// kSeries   for angles up to 2: the Taylor series of the cosine, 10 terms, so a matrix of rank 20: O(L (E + P)). Where
///           sign is -1 the ones cancel before they are summed, as they do in kEntries.
/// kGrid     cosines of any frequency by those of a grid of n >= 4 L turns: with w taps phi(z) =
///           exp(beta (sqrt(1 - (2 z / w)^2) - 1)) and g = n |turn|,
///             cos(2 pi turn j) = sum_m phi(g - m) cos(2 pi m j / n) / phihat_j,
///           so the first term gathers w E rows of the cosine transform of v / phihat, the second is the transpose.
///           Numbers whose angles are at most 1 take the series instead, 8 terms, and share the sums sum_j j^(2 r) v_j:
///           where sign is -1 all leave out their ones, so that small angles keep their digits here too.
///           The sum over d collapses on the grid. O(L log L P + L E w P), memory O(L P); on CUDA the second term sorts
///           the numbers by where they fall, 16 bytes each.
/// Gradient: that of the form taken, of every input; keeps q, k, v and the transform of v.
/// Source: Hwang et al. 2024, table 1; the grid: Barnett, Magland & af Klinteberg 2019 (arXiv 1808.06736).
Var vandermonde(const Var& q, const Var& k, const Var& v, const VandermondeOptions& options = {});

/// The same M [B or 1, H, L, L] written out by its definition with differentiable ops, in q's dtype;
/// cos x - 1 = -2 sin^2(x / 2) where sign is -1, so that small angles keep their digits.
Var vandermonde_matrix(const Var& q, const Var& k, const VandermondeOptions& options = {});

}  // namespace matmix
