#pragma once

#include <optional>

#include "autograd/var.h"
#include "tensor/runs.h"

namespace matmix {

/// What a semiseparable matrix is made of. Streams may have any row strides (parts of an in-projection) and B = 1 where
/// they do not depend on the data. "raw" dt: softplus(dt + dt_bias) is taken inside.
/// A is a number a head (A_log [H], Mamba-2), one for each state (A_log [H, N], Mamba), or complex (A_log and A_im
/// [H, N / 2], S4D): then states n and n + N / 2 are the parts of one complex number, in B, in C and in the state too.
struct SsdInputs {
  Var dt = {};         ///< [B, L, H] raw step sizes
  Var dt_bias = {};    ///< [H]; undefined: 0
  Var A_log = {};      ///< A = -exp(A_log) + i A_im; undefined: no decay, A = 0
  Var A_im = {};       ///< undefined: A is real
  Var B = {}, C = {};  ///< [B, L, G, N], head h reads group h / (H / G)
  Var delta = {};      ///< [B, L, H] added to M's diagonal; undefined: 0
  Var initial = {};    ///< state before the first token: [H, P, N], or one for each run [R, H, P, N]; undefined: 0
};

struct SsdOptions {
  bool reverse = false;  ///< walks each run from its last token: "before" is right of it, the states swap ends
  int64_t Q = 64;        ///< tokens a chunk, the same result but for rounding; CUDA takes fewer where its tiles do
  std::optional<Runs> runs = {};
};

struct SsdResult {
  Var y;            ///< [B, L, H, P] in x's dtype, exactly 0 at padding
  Var final_state;  ///< [R, H, P, N] in Accumulator<T>: after the last token of every run
};

/// The causal scan. Per head h, with dt = softplus(raw + dt_bias), inside each of R runs in their order (R = B rows
/// without padding):   state_i = exp(A dt_i) state_{i-1} + dt_i x_i B_i',   y_i = state_i C_i + delta_i x_i,   so
///   y = M x + r,   M_ij = sum_n C_i[n] exp(A[n] sum_{k=j+1..i} dt_k) B_j[n] dt_j   i >= j,   M_ii += delta_i,
///   r_i = (exp(A sum_{k<=i} dt_k) initial) C_i.
/// A complex: M_ij = Re sum_n conj(C_i[n]) exp(..) B_j[n] dt_j, and so on. B and C are as free as complex numbers are,
/// so every real kernel of S4D has its place here; a learned C takes up the conjugate and the 2 of its conjugate pairs.
///   x [B, L, H, P], dense rows. Any L (0 and 1 too), Q >= 1, N (even if A is complex), P; H must be a multiple of G.
/// Throws Error naming the argument that does not fit. Sums, decays and states in Accumulator<T>.
///
/// Fast form: for a number a head the forward half of ops/quasiseparable, O(L (Q P + N P)) a head; for the others the
/// recurrence itself, O(L N P) on the CPU and O(L (Q N + Q P + N P)) on CUDA. Against O(L^2 P) for the matrix.
/// Gradient: of every input, from states kept once a chunk.
/// Source: Dao & Gu 2024 (arXiv 2405.21060) sec. 6; Gu & Dao 2023 (2312.00752); Gu et al. 2022 (2206.11893).
SsdResult ssd(const Var& x, const SsdInputs& in, const SsdOptions& options = {});

/// One token by plain ops: x [B, H, P], the streams of `in` without their axis L, state [B, H, P, N] instead of
/// in.initial. Returns y [B, H, P] and the next state.
SsdResult ssd_step(const Var& state, const Var& x, const SsdInputs& in);

/// The same M [B, H, L, L] of whole rows written out by differentiable ops, decays by segsum in F64: the twin that
/// judges the fast form. In B's dtype, worked out in Accumulator<T>; B is that of the streams. Reads no initial state.
Var ssd_matrix(const SsdInputs& in, bool reverse = false);
/// The same r [B, L, H, P] of whole rows; undefined if there is no initial state.
Var ssd_offset(const SsdInputs& in, bool reverse = false);

}  // namespace matmix
