#pragma once

#include <optional>

#include "autograd/var.h"
#include "tensor/runs.h"

namespace matmix {

struct AttentionOptions {
  std::optional<double> scale = {};  ///< default: 1 / sqrt(E)
  bool causal = false;               ///< token i attends to j <= i only
  std::optional<Runs> runs = {};     ///< tokens attend inside their run only
};

/// y_i = sum_j M_ij v_j,  M_ij = exp(s_ij - lse_i),  s_ij = scale q_i . k_j,  lse_i = log sum_j exp(s_ij), per head;
/// j runs over the tokens of i's run (up to i if causal).
///   q, k  [B, L, H, E] dense rows (parts of an in-projection); B = 1 serves the whole batch
///   v     [B, L, H, P] dense rows        All of one dtype.
/// Returns [B, L, H, P] in that dtype, exactly 0 at padding. Products, exp and sums in Accumulator<T> (on CUDA the
/// weights of a product in BF16 are rounded to BF16). Any L (0 and 1 too), E and P. Throws Error naming the argument
/// that does not fit.
/// No L x L array: tiles of M are made, used and forgotten, and made again in backward. Keeps q, k, v, y and lse.
/// Gradient: dv_j = sum_i M_ij dy_i;  ds_ij = M_ij (dy_i . v_j - dy_i . y_i);  dq_i = scale sum_j ds_ij k_j;
/// dk_j = scale sum_i ds_ij q_i.   Cost: 2 L^2 (E + P) flops a head forward, O(L) memory.
/// Source: Milakov & Gimelshein 2018 (online softmax); Dao et al. 2022 (arXiv 2205.14135).
Var attention(const Var& q, const Var& k, const Var& v, const AttentionOptions& options = {});

/// The same M [B, H, L, L] by differentiable ops, worked out in Accumulator<T>, in q's dtype: the twin that judges the
/// fast form. Exactly 0 outside the runs; B is that of the runs, else of q and k.
Var attention_matrix(const Var& q, const Var& k, const AttentionOptions& options = {});

}  // namespace matmix
