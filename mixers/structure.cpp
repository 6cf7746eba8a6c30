#include "mixers/structure.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "mixers/jacobi.h"
#include "tensor/create.h"
#include "tensor/parallel.h"
#include "tensor/transfer.h"

namespace matmix::mixers {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;
using Columns = Eigen::MatrixXd;
using Scale = RankRule::Scale;

/// A row-major CPU tensor as a matrix of its own bytes; its leading axes are the rows.
Eigen::Map<Matrix> map(const Tensor& x) {
  const int64_t columns = x.dim(-1);
  return {x.data<double>(), columns > 0 ? x.numel() / columns : x.dim(0), columns};
}

Matrix to_matrix(const Tensor& M, const char* op) {
  require(M.rank() == 2 && M.dtype() == DType::F64 && M.device() == kCpu, op, "M must be F64 [m, n] on the CPU, got ",
          M);
  const Matrix values = map(contiguous(M));
  require(values.allFinite(), op, "M must be finite everywhere");
  return values;
}

Matrix to_square(const Tensor& M, const char* op) {
  require(M.rank() == 2 && M.dim(0) == M.dim(1), op, "M must be square, got ", M);
  return to_matrix(M, op);
}

Tensor to_tensor(const Matrix& M) {
  const Tensor x = empty({M.rows(), M.cols()}, DType::F64);
  map(x) = M;
  return x;
}

/// The power of two that brings x near 1, or as near as one step does.
double towards_one(double x) { return x > 0 ? std::ldexp(1, std::clamp(-std::ilogb(x), -1000, 1000)) : 1; }
double largest_entry(const Matrix& M) { return M.size() > 0 ? M.cwiseAbs().maxCoeff() : 0; }

/// M times the power of two that brings its largest entry near 1: squares of its norms stay in range, nothing is
/// rounded.
Matrix scaled(const Matrix& M) { return towards_one(largest_entry(M)) * M; }

/// Descending.
Vector singular_values_of(const Matrix& M) {
  const double scale = towards_one(largest_entry(M));
  const Columns W = scale * (M.rows() < M.cols() ? Columns(M.transpose()) : Columns(M));
  return orthogonal_columns(W).colwise().norm() / scale;
}

double largest_singular_value(const Matrix& M) {
  const Vector s = singular_values_of(M);
  return s.size() > 0 ? s(0) : 0;
}

Matrix equilibrated(Matrix block) {
  constexpr int kSweeps = 4;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (auto row : block.rowwise()) row *= towards_one(row.cwiseAbs().maxCoeff());
    for (auto column : block.colwise()) column *= towards_one(column.cwiseAbs().maxCoeff());
  }
  return block;
}

/// Judges blocks of one matrix by one rule, which no factor of the matrix changes.
class Judge {
 public:
  Judge(const Matrix& M, const RankRule& rule)
      : M_(scaled(M)), rule_(rule), whole_(rule.scale == Scale::kMatrix ? largest_singular_value(M_) : 0) {}

  int64_t size() const { return M_.rows(); }
  Judge transposed() const { return {M_.transpose(), rule_, whole_}; }

  /// Of M[first_row:, :columns].
  Order order(int64_t first_row, int64_t columns) const {
    return order(M_.block(first_row, 0, M_.rows() - first_row, columns));
  }
  /// Of a block of M.
  Order order(const Matrix& block) const {
    const Vector s = shares(block);
    Order found{.rank = (s.array() > rule_.tolerance).count()};
    if (found.rank > 0) found.kept = s(found.rank - 1);
    if (found.rank < s.size()) found.dropped = s(found.rank);
    return found;
  }
  int64_t rank(int64_t first_row, int64_t columns) const { return order(first_row, columns).rank; }

 private:
  Judge(Matrix M, const RankRule& rule, double whole) : M_(std::move(M)), rule_(rule), whole_(whole) {}

  Vector shares(const Matrix& block) const {
    if (block.size() == 0 || block.isZero(0)) return {};
    if (rule_.scale == Scale::kMatrix) return singular_values_of(block) / whole_;
    const Vector s = singular_values_of(equilibrated(block));
    return s / s(0);
  }

  Matrix M_;
  RankRule rule_;
  double whole_;
};

/// Rough cost of a singular value decomposition for each of n blocks of an L x L matrix.
int64_t worth_of(int64_t n, int64_t L) { return n * L * L * L; }

Order worse(const Order& a, const Order& b) {
  return {std::max(a.rank, b.rank), std::min(a.kept, b.kept), std::max(a.dropped, b.dropped)};
}

/// The worst over the blocks M[k+gap:, :k+1] that are there.
Order order_below(const Judge& judge, int64_t gap) {
  const int64_t L = judge.size(), blocks = std::max<int64_t>(L - gap, 0);
  std::vector<Order> found(static_cast<size_t>(blocks));
  parallel_for(blocks, worth_of(blocks, L),
               [&](int64_t k) { found[static_cast<size_t>(k)] = judge.order(k + gap, k + 1); });
  Order worst;
  for (const Order& o : found) worst = worse(worst, o);
  return worst;
}

Orders orders(const Judge& judge, int64_t gap) {
  return {order_below(judge, gap), order_below(judge.transposed(), gap)};
}

/// Fills row[first..last] with a sequence that grows by 0 or 1 a step, from its two ends.
void bisect(const std::function<int64_t(int64_t)>& rank_of, int64_t* row, int64_t first, int64_t last) {
  const int64_t steps = last - first, rise = row[last] - row[first];
  if (rise == 0 || rise == steps) {
    for (int64_t j = first + 1; j < last; ++j) row[j] = row[first] + (rise == 0 ? 0 : j - first);
    return;
  }
  const int64_t middle = first + steps / 2;
  if (middle == first) return;
  row[middle] = std::clamp(rank_of(middle), row[first], row[last]);
  bisect(rank_of, row, first, middle);
  bisect(rank_of, row, middle, last);
}

/// R_ij for i >= j, row-major; 0 elsewhere.
std::vector<int64_t> ranks_below(const Judge& judge) {
  const int64_t L = judge.size();
  std::vector<int64_t> R(static_cast<size_t>(L * L));
  parallel_for(L, worth_of(L, L), [&](int64_t i) {
    int64_t* row = R.data() + i * L;
    const auto rank_of = [&](int64_t j) { return judge.rank(i, j + 1); };
    row[0] = rank_of(0);
    row[i] = rank_of(i);
    bisect(rank_of, row, 0, i);
  });
  return R;
}

void check_generators(const Generators& g, const char* op) {
  const int64_t L = g.c.dim(0), N = g.c.dim(-1);
  require(g.c.shape() == Shape{L, N} && g.b.shape() == Shape{L, N} && g.A.shape() == Shape{L, N, N}, op,
          "c, A, b must be [L, N], [L, N, N], [L, N], got ", g.c, ", ", g.A, ", ", g.b);
  for (const Tensor& x : {g.c, g.A, g.b})
    require(x.dtype() == DType::F64 && x.device() == kCpu && x.is_contiguous(), op,
            "generators must be contiguous F64 on the CPU, got ", x);
}

/// c_i' A_{i-1+s} ... A_{j+1} b_j for i >= j + 1 - s; s = 1 takes A_i too, and the diagonal.
Matrix lower_matrix(const Generators& g, int64_t s) {
  const int64_t L = g.c.dim(0), N = g.c.dim(1);
  const auto c = map(g.c), A = map(g.A), b = map(g.b);
  Matrix M = Matrix::Zero(L, L);
  for (int64_t j = 0; j < L; ++j) {
    Vector state = b.row(j).transpose();
    if (s == 1) M(j, j) = c.row(j).dot(state);
    for (int64_t i = j + 1; i < L; ++i) {
      const Vector next = A.middleRows(i * N, N) * state;
      M(i, j) = c.row(i).dot(s == 1 ? next : state);
      state = next;
    }
  }
  return M;
}

/// The generators of the transposed matrix: what was read below the diagonal is read above it, and the reverse.
Generators transposed(const Generators& g) { return {g.b, contiguous(g.A.transpose(1, 2)), g.c}; }

/// Leading left singular vectors of M[k+1:, :k+1], N columns; those that are not there are 0.
Matrix row_basis(const Matrix& M, int64_t k, int64_t N) {
  const int64_t rows = M.rows() - k - 1;
  Matrix basis = Matrix::Zero(rows, N);
  if (rows <= 0) return basis;
  const Columns W = orthogonal_columns(scaled(M.block(k + 1, 0, rows, k + 1)));
  for (int64_t n = 0; n < std::min<int64_t>(N, W.cols()); ++n)
    if (W.col(n).norm() > 0x1p-52 * W.norm()) basis.col(n) = W.col(n).normalized();
  return basis;
}

/// With U_k the row basis of the block below the cut behind k, the state there is U_k' M[k+1:, :k+1] v:
/// c_{k+1} is its first row, b_k what token k adds to it, and A_k takes U_{k-1}'s state to U_k's.
Generators realize_below(const Matrix& M, int64_t N) {
  const int64_t L = M.rows();
  const Generators g{zeros({L, N}, DType::F64), zeros({L, N, N}, DType::F64), zeros({L, N}, DType::F64)};
  auto c = map(g.c), A = map(g.A), b = map(g.b);
  Matrix before;
  for (int64_t k = 0; k + 1 < L; ++k) {
    const Matrix basis = row_basis(M, k, N);
    b.row(k) = M.col(k).tail(L - k - 1).transpose() * basis;
    c.row(k + 1) = basis.row(0);
    if (k > 0) A.middleRows(k * N, N) = basis.transpose() * before.bottomRows(L - k - 1);
    before = basis;
  }
  return g;
}

}  // namespace

std::vector<double> singular_values(const Tensor& M) {
  const Vector s = singular_values_of(to_matrix(M, "singular_values"));
  return {s.begin(), s.end()};
}

int64_t rank(const Tensor& M, const RankRule& rule) { return Judge(to_matrix(M, "rank"), rule).rank(0, M.dim(1)); }

Orders quasiseparable_orders(const Tensor& M, const RankRule& rule) {
  return orders(Judge(to_square(M, "quasiseparable_orders"), rule), 1);
}

Orders semiseparable_orders(const Tensor& M, const RankRule& rule) {
  return orders(Judge(to_square(M, "semiseparable_orders"), rule), 0);
}

Order monarch_order(const Tensor& M, int64_t b, const RankRule& rule) {
  require(b > 0, "monarch_order", "b must be positive, got ", b);
  const Matrix m = to_matrix(M, "monarch_order");
  const Judge judge(m, rule);
  Order worst;
  for (int64_t j = 0; j < std::min<int64_t>(b, m.rows()); ++j)
    for (int64_t column = 0; column < m.cols(); column += b)
      worst = worse(worst, judge.order(m(Eigen::seq(j, Eigen::last, b),
                                         Eigen::seqN(column, std::min<int64_t>(b, m.cols() - column)))));
  return worst;
}

Tensor rank_map(const Tensor& M, const RankRule& rule) {
  const Judge judge(to_square(M, "rank_map"), rule);
  const int64_t L = judge.size();
  const std::vector<int64_t> below = ranks_below(judge), above = ranks_below(judge.transposed());
  std::vector<int64_t> R(below.size());
  for (int64_t i = 0; i < L; ++i)
    for (int64_t j = 0; j < L; ++j) {
      const auto at = static_cast<size_t>(i * L + j), mirrored = static_cast<size_t>(j * L + i);
      R[at] = std::max(below[at], above[mirrored]);
    }
  return from_vector(R, {L, L});
}

int64_t displacement_rank(const Tensor& M, const Tensor& A, const Tensor& B, double tolerance) {
  const char* op = "displacement_rank";
  const Matrix m = scaled(to_matrix(M, op)), a = to_square(A, op), b = to_square(B, op);
  require(a.rows() == m.rows() && b.rows() == m.cols(), op, "A and B must fit M on its left and right, got ", A,
          " and ", B, "; M is ", M);
  const double scale = towards_one(std::max(largest_entry(a), largest_entry(b)));
  const Matrix left = scale * a * m, right = scale * m * b;
  const Vector s = singular_values_of(left - right);
  return (s.array() > tolerance * (left.norm() + right.norm())).count();
}

Tensor shift_matrix(int64_t L) {
  const Tensor Z = zeros({L, L}, DType::F64);
  if (L > 1) map(Z).diagonal(-1).setOnes();
  return Z;
}

Tensor diagonal_matrix(const std::vector<double>& entries) {
  const auto n = static_cast<int64_t>(entries.size());
  const Tensor D = zeros({n, n}, DType::F64);
  for (int64_t i = 0; i < n; ++i) map(D)(i, i) = entries[static_cast<size_t>(i)];
  return D;
}

Tensor semiseparable_matrix(const Generators& g) {
  check_generators(g, "semiseparable_matrix");
  return to_tensor(lower_matrix(g, 1));
}

Tensor quasiseparable_matrix(const QuasiseparableGenerators& g) {
  const char* op = "quasiseparable_matrix";
  check_generators(g.below, op);
  check_generators(g.above, op);
  const Shape L{g.below.c.dim(0)};
  require(g.diagonal.shape() == L && g.above.c.dim(0) == L[0], op, "both directions and the diagonal must have ", L[0],
          " tokens, got ", g.above.c.dim(0), " above and a diagonal ", g.diagonal);
  Matrix M = lower_matrix(g.below, 0) + lower_matrix(transposed(g.above), 0).transpose();
  const std::vector<double> diagonal = to_vector<double>(g.diagonal);
  M.diagonal() = Eigen::Map<const Vector>(diagonal.data(), M.rows());
  return to_tensor(M);
}

QuasiseparableGenerators realize(const Tensor& M, int64_t N) {
  require(N > 0, "realize", "N must be positive, got ", N);
  const Matrix m = to_square(M, "realize");
  const Vector diagonal = m.diagonal();
  return {realize_below(m, N), transposed(realize_below(m.transpose(), N)),
          from_vector(std::vector<double>(diagonal.begin(), diagonal.end()))};
}

}  // namespace matmix::mixers
