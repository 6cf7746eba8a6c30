#pragma once

#include <optional>

#include "autograd/var.h"
#include "tensor/runs.h"

namespace matmix {

struct LowRankOptions {
  double scale = 1;
  /// Divides row i of M by its sum plus eps, as a softmax does: for positive features, others may sum to 0.
  bool normalise = false;
  double eps = 1e-12;  ///< keeps a row of zeros zero
  std::optional<Runs> runs = {};
};

/// A matrix of rank E per head:  M_ij = scale q_i . k_j  [/ (scale q_i . sum_j k_j + eps)],  i and j of one run;
/// y = M v, without M: z = k^T v [E, P] once a run, y = scale q z.
///   q, k [B or 1, L, H, E], v [B, L, H, P]; floating, one dtype and device; any strides (rows that are not dense are
///   copied).   Returns [B, L, H, P] in their dtype, exactly 0 at padding.
/// A composition of batched products, so gradients are theirs; keeps q, k, v and z.   Cost: O(L E P) a head, against
/// O(L^2 (E + P)) for the matrix. Runs are cut into chunks, whose z are summed by run.
/// Source: Katharopoulos et al. 2020 (arXiv 2006.16236), without the causal mask: for that one see the scans.
Var low_rank(const Var& q, const Var& k, const Var& v, const LowRankOptions& options = {});

/// The same M [B or 1, H, L, L] written out; exactly 0 outside the runs.
Var low_rank_matrix(const Var& q, const Var& k, const LowRankOptions& options = {});

}  // namespace matmix
