// The promised ranks: of the blocks beside the diagonal, and of those of Monarch matrices.
#include <Eigen/SVD>

#include "experiments/laws/law_book.h"
#include "experiments/laws/matrices.h"

namespace matmix::experiments {
namespace {

/// A singular value below this share of the largest is none.
constexpr double kRankCut = 1e-10;

/// Rows and columns scaled towards length 1, so that decays do not hide small parts; rows of zeros stay.
Matrix equilibrated(Matrix block) {
  for (int sweep = 0; sweep < 4; ++sweep) {
    for (auto row : block.rowwise())
      if (const double n = row.norm(); n > 0) row /= n;
    for (auto column : block.colwise())
      if (const double n = column.norm(); n > 0) column /= n;
  }
  return block;
}

/// Singular values of a block as shares of the largest; none for a block of zeros.
Eigen::VectorXd spectrum(const Matrix& block) {
  if (block.norm() == 0) return {};
  const Eigen::VectorXd s = Eigen::JacobiSVD<Matrix>(equilibrated(block)).singularValues();
  return s / s(0);
}

/// Both laws of one promise: over all blocks M[k+1:, :k+1], never more than `promised`, and that much for one.
void check_rank(const std::vector<Matrix>& matrices, int64_t promised, const char* side, LawBook& book) {
  int64_t reached = 0;
  for (const Matrix& M : matrices) {
    for (int64_t k = 0; k + 1 < M.rows(); ++k) {
      const Eigen::VectorXd s = spectrum(M.block(k + 1, 0, M.rows() - k - 1, k + 1));
      book.add("rank", s.size() > promised ? s(promised) : 0, kRankCut, text(side, " the diagonal, cut ", k));
      reached = std::max<int64_t>(reached, (s.array() > kRankCut).count());
    }
  }
  book.add("rank_tight", reached >= promised, text("rank ", reached, " ", side, " the diagonal, promised ", promised));
}

/// Rows j, j + b, .. and columns k b .. k b + b - 1 meet in blocks of rank 1.
void check_monarch(const Matrix& M, int64_t b, LawBook& book) {
  for (int64_t j = 0; j < std::min<int64_t>(b, M.rows()); ++j)
    for (int64_t column = 0; column < M.cols(); column += b) {
      const int64_t width = std::min<int64_t>(b, M.cols() - column);
      const Eigen::VectorXd s = spectrum(M(Eigen::seq(j, Eigen::last, b), Eigen::seqN(column, width)));
      book.add("monarch", s.size() > 1 ? s(1) : 0, kRankCut, text("rows ", j, " + ", b, " k, from column ", column));
    }
}

}  // namespace

void check_ranks(const Setting& setting, LawBook& book) {
  if (setting.dtype != DType::F64) return;
  const int64_t L = 20;
  const Subject subject = small_subject(setting, L);
  const mixers::Traits traits = subject.mixer().traits();
  std::vector<Matrix> matrices = matrices_of(subject.matrix(subject.draw_tokens({L}), full_layout({L})));
  if (traits.monarch_block)
    for (const Matrix& M : matrices) check_monarch(M, *traits.monarch_block, book);
  if (traits.rank_below) check_rank(matrices, *traits.rank_below, "below", book);
  for (Matrix& M : matrices) M.transposeInPlace();
  if (traits.rank_above) check_rank(matrices, *traits.rank_above, "above", book);
}

}  // namespace matmix::experiments
