#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace matmix::mixers {

// The structure of one matrix, in numbers: what a class promises of its M, measured; what `matmix analyze` prints.
// All tensors are F64 on the CPU, nothing records gradients, and everything refuses values that are not finite.

/// What counts towards a numerical rank: singular values above `tolerance`, as shares.
struct RankRule {
  enum class Scale {
    /// Rows and columns of every block are first brought to one size by powers of two (which changes no rank and rounds
    /// nothing), and shares are of the block's largest singular value: decay hides nothing. For matrices whose entries
    /// are each right to a few units.
    kEntries,
    /// Shares are of the largest singular value of the whole matrix: what is negligible there does not count. For
    /// matrices with noise, such as inverses.
    kMatrix,
  };
  double tolerance = 1e-11;  ///< 1e-4 for what was computed in F32
  Scale scale = Scale::kEntries;
};

/// Descending, min(m, n) of them, of M [m, n].
std::vector<double> singular_values(const Tensor& M);
/// Numerical rank of M [m, n].
int64_t rank(const Tensor& M, const RankRule& rule = {});

/// The largest rank among blocks, and how clear it is: over all blocks, the least share that counted and the largest
/// that did not.
struct Order {
  int64_t rank = 0;
  double kept = 1, dropped = 0;
};
struct Orders {
  Order below, above;
};
/// Of the blocks strictly below the diagonal, M[k+1:, :k+1], and strictly above it, M[:k+1, k+1:], for M [L, L].
/// L - 1 singular value decompositions each way, spread over the threads.
Orders quasiseparable_orders(const Tensor& M, const RankRule& rule = {});
/// Of the blocks that hold the diagonal: M[k:, :k+1] and M[:k+1, k:].
Orders semiseparable_orders(const Tensor& M, const RankRule& rule = {});

/// Of the blocks where rows j, j + b, j + 2 b, .. and columns k b .. k b + b - 1 meet: 1 in a Monarch matrix with inner
/// blocks of b. M [m, n].
Order monarch_order(const Tensor& M, int64_t b, const RankRule& rule = {});

/// R [L, L], I64: R_ij is the rank of the block between entry (i, j) and the far corner of its triangle, itself
/// included: M[i:, :j+1] below the diagonal, M[:i+1, j:] above it, the larger of the two on it. Ranks of growing blocks
/// grow by 0 or 1 a step, so a row is filled by bisection.
Tensor rank_map(const Tensor& M, const RankRule& rule = {});

/// rank(A M - M B), singular values as shares of |A M| + |M B|. At most 2 for a Toeplitz M and A = B = shift_matrix;
/// D for a sum of D Cauchy matrices 1 / (a_i + b_j) that share a, b: A = diag(a), B = -diag(b); 1 for a Vandermonde
/// matrix x_i^j: A = diag(x), B = shift_matrix.
int64_t displacement_rank(const Tensor& M, const Tensor& A, const Tensor& B, double tolerance = 1e-11);
/// Z [L, L]: ones right below the diagonal.
Tensor shift_matrix(int64_t L);
Tensor diagonal_matrix(const std::vector<double>& entries);

/// One direction of a matrix by its generators, with a full matrix A a token.
struct Generators {
  Tensor c, A, b;  ///< [L, N], [L, N, N], [L, N]
};
/// Generators of both directions, each with its own N, and a free diagonal [L].
struct QuasiseparableGenerators {
  Generators below, above;
  Tensor diagonal;
};
/// M_ij = c_i' A_i A_{i-1} ... A_{j+1} b_j for i >= j, else 0.
Tensor semiseparable_matrix(const Generators& g);
/// M_ij = c_i' A_{i-1} ... A_{j+1} b_j below the diagonal, c_i' A_{i+1} ... A_{j-1} b_j above it, d_i on it.
/// Source: Hwang et al. 2024 (arXiv 2407.09941), definition 3.1.
Tensor quasiseparable_matrix(const QuasiseparableGenerators& g);

/// Generators of width N of M [L, L], from singular vectors of its Hankel blocks M[k+1:, :k+1]. They give M back to
/// rounding if both its orders are at most N; else every block is projected on its N leading directions.
/// Source: Dewilde and van der Veen, "Time-Varying Systems and Computations", 1998, chapter 5.
QuasiseparableGenerators realize(const Tensor& M, int64_t N);

}  // namespace matmix::mixers
