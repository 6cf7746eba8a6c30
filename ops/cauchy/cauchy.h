#pragma once

#include "autograd/var.h"

namespace matmix {

struct CauchyOptions {
  double scale = 1;
  double eps = 1e-8;  ///< added to every denominator
  /// Bound on the relative error of every entry of every term of M, and of its derivatives, before rounding;
  /// 0: 1e-7 in F32 and BF16, 1e-10 in F64.
  double accuracy = 0;
  /// The most rational terms a column of q may take; what needs more is done exactly. -1: as many as pay for the shape,
  /// at most 64; 0: exactly.
  int64_t max_terms = -1;
};

/// Sums of E Cauchy matrices a head:  M_ij = scale sum_d 1 / (a_id + b_jd + eps),  a = e^q + |bias|, b = e^k + |bias|;
/// y = M v.
///   q, k [B or 1, L, H, E], v [B, L, H, P]; floating, one dtype and device, any strides. bias: one number or what
///   broadcasts with q, floating; undefined: 0. Positive by its absolute value, so no denominator has a zero.
///   Returns [B, L, H, P] in v's dtype. q and k above 80 (700 in F64) count as that and have no gradient: what they
///   give is 0 in the dtype. Sums, and all of a and b, in Accumulator<T>.
///
/// Fast form: with numbers p_1 .. p_n,   f_j(x) = sqrt(2 p_j) / (x + p_j) prod_{i<j} (x - p_i) / (x + p_i),
///   1 / (a + b) = sum_j f_j(a) f_j(b) + r(a) r(b) / (a + b),   r(x) = prod_i (x - p_i) / (x + p_i)   exactly,
/// and Zolotarev's p make |r| least on the interval that holds all a and b, shifted against each other until both start
/// at half of the least a + b: n = ln(4 R) ln(512 / accuracy) / pi^2 for a ratio R of its ends. Each term is at most
/// 2 / max(a, b), so nothing cancels.   Cost: O(L E n P) a head, against O(L^2 (E + P)); memory O(L (E + P)).
/// R is that of the values at hand, for every row and head; where n is more than max_terms or a value is no positive
/// number the product is summed entry by entry, O(L^2 (E + P)) but without the matrix.
/// Gradient: that of the sums, of every input; keeps a, b, v and sum_j f(b_j) v_j'.
/// Source: Zolotarev 1877; the sum is that of Benner, Li & Truhar 2009 (factored ADI); the class Hwang et al. 2024.
Var cauchy(const Var& q, const Var& k, const Var& v, const Var& bias = {}, const CauchyOptions& options = {});

/// The same M [B or 1, H, L, L] written out by its definition with differentiable ops, in q's dtype.
Var cauchy_matrix(const Var& q, const Var& k, const Var& bias = {}, const CauchyOptions& options = {});

}  // namespace matmix
