#pragma once

#include <optional>

#include "autograd/var.h"
#include "tensor/runs.h"

namespace matmix {

/// What a quasiseparable matrix is made of. Every tensor may have any row strides (parts of an in-projection) and B = 1
/// for streams that do not depend on the data (they broadcast). "raw" dt: softplus(dt + dt_bias) is taken inside.
struct QuasiseparableInputs {
  Var dt_f, dt_b;  ///< [B, L, H] raw step sizes of the forward and the backward direction
  Var dt_bias;     ///< [H], both directions; undefined: 0
  Var A_log;       ///< [H], A = -exp(A_log); undefined: no decay, A = 0
  Var B_f, C_f;    ///< [B, L, G, N], head h reads group h / (H / G)
  Var B_b, C_b;    ///< [B, L, G, N]; may be the same Vars as B_f, C_f
  Var delta;       ///< [B, L, H] the free diagonal; undefined: 0
  Var initial_f;   ///< [H, P, N] state before the first token of every run; undefined: 0
  Var initial_b;   ///< [H, P, N] state after the last token of every run, read by the backward direction
};

struct QuasiseparableOptions {
  /// Hydra's shift by one: both triangles strict, C taken from the neighbour, the diagonal is delta alone. Without it
  /// both triangles contain the diagonal (the "add" heuristic, plus delta).
  bool shift = true;
  int64_t Q = 64;  ///< tokens a chunk, the same result but for rounding; CUDA takes at most 64 (F64: 32)
  std::optional<Runs> runs = {};
};

/// With dt = softplus(raw + dt_bias), A = -exp(A_log), per head h and inside each run (i, j positions in it), shift:
///   M_ij = (C_f[i-1] . B_f[j]) exp(A sum_{k=j+1..i-1} dt_f[k]) dt_f[j]    i > j
///   M_ii = delta[i]
///   M_ij = (C_b[i+1] . B_b[j]) exp(A sum_{k=i+1..j-1} dt_b[k]) dt_b[j]    i < j
/// without shift: C_f[i], sum_{k=j+1..i}, i >= j;  C_b[i], sum_{k=i..j-1}, i <= j;  plus delta on the diagonal.
/// y = M x + r;  r_i = C_f[i-1] . (exp(A sum_{k<=i-1} dt_f[k]) initial_f) + the mirror image (row 0 forward and the
/// last row backward get nothing with shift).
///   x [B, L, H, P], dense rows.   Returns [B, L, H, P] in x's dtype, exactly 0 at padding.
/// Sums, decays and carried states in Accumulator<T>. Any L (0 and 1 too), Q >= 1, N, P; H must be a multiple of G.
/// Throws Error naming the argument that does not fit.
///
/// Fast form: chunks of Q tokens, cut per run; inside a chunk one Q x Q matrix for both directions, between chunks the
/// two N x P states; no flips, no copies.  Cost: O(L (Q P + N P)) a head, against O(L^2 P) for the matrix. Gradient: of
/// every input, from states kept once a chunk. Source: Dao & Gu 2024 sec. 6 (SSD), Hwang et al. 2024 sec. 3
/// (quasiseparable).
Var quasiseparable(const Var& x, const QuasiseparableInputs& in, const QuasiseparableOptions& options = {});

/// The same M [B, H, L, L] written out by differentiable ops, decays by segsum in F64: the twin that judges the fast
/// form. Exactly 0 outside the runs. In B_f's dtype, worked out in Accumulator<T>; B is that of the streams.
/// Does not use initial states.
Var quasiseparable_matrix(const QuasiseparableInputs& in, const QuasiseparableOptions& options = {});
/// The same r [B, L, H, P] written out; undefined if no initial state is given.
Var quasiseparable_offset(const QuasiseparableInputs& in, const QuasiseparableOptions& options = {});

}  // namespace matmix
