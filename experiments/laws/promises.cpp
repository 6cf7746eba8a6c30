// Laws on what a mixer says of its matrix: linearity, causality, the three facts, the ranks.
#include <Eigen/SVD>
#include <cmath>
#include <optional>

#include "autograd/no_grad.h"
#include "experiments/compare.h"
#include "experiments/laws/block_subject.h"
#include "experiments/laws/law_book.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

/// A change smaller than this is rounding.
constexpr double kChange = 1e-9;
/// A singular value below this share of the largest is none.
constexpr double kRankCut = 1e-10;

using Matrix = Eigen::MatrixXd;

/// The matrices of all heads and rows of a batch, one by one.
std::vector<Matrix> matrices_of(const Tensor& M) {
  const std::vector<double> values = to_vector<double>(M);
  const int64_t L = M.dim(-1), size = L * L;
  std::vector<Matrix> all;
  for (int64_t at = 0; size > 0 && at < static_cast<int64_t>(values.size()); at += size)
    all.push_back(Eigen::Map<const Eigen::Matrix<double, -1, -1, Eigen::RowMajor>>(values.data() + at, L, L));
  return all;
}

Subject exact_subject(const Setting& setting, int64_t L) {
  return Subject(setting, {.state = 3, .groups = 2, .qk_dim = 3, .max_len = L, .Q = 8});
}

/// How far b is from a multiple of a, as a share of a.
double distance_up_to_factor(const Eigen::VectorXd& a, const Eigen::VectorXd& b) {
  if (a.norm() == 0) return b.norm();
  return (b - a.dot(b) / a.squaredNorm() * a).norm() / a.norm();
}

/// The same tokens with the streams behind token `last` of every sequence drawn anew.
Tokens with_another_future(const Subject& subject, Tokens tokens, int64_t last) {
  const int64_t L = tokens.lengths.front();
  for (NamedTensor& s : tokens.streams) {
    if (!s.per_token) continue;
    const Tensor changed = clone(s.value);
    for (int64_t start = 0; start < changed.dim(0); start += L) {
      const Tensor future = changed.narrow(0, start + last + 1, L - last - 1);
      copy(future, draw(future.shape(), DType::F64, subject.setting().seed, text("future of ", s.name, start)));
    }
    s.value = changed;
  }
  return tokens;
}

/// The largest change of M[:i+1, :i+1], up to a factor a row, when streams behind token i change.
double influence_of_future(const Subject& subject, int64_t L) {
  const Tokens tokens = subject.draw_tokens({L});
  const Layout layout = full_layout({L});
  const std::vector<Matrix> before = matrices_of(subject.matrix(tokens, layout));
  double worst = 0;
  for (int64_t i = 0; i + 1 < L; ++i) {
    const auto after = matrices_of(subject.matrix(with_another_future(subject, tokens, i), layout));
    for (size_t m = 0; m < before.size(); ++m)
      for (int64_t row = 0; row <= i; ++row)
        worst = std::max(worst, distance_up_to_factor(before[m].row(row).head(i + 1), after[m].row(row).head(i + 1)));
  }
  return worst;
}

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

}  // namespace

void check_linear(const Setting& setting, LawBook& book) {
  for (const int64_t L : {1, 7, 20}) {
    const Subject subject(setting, law_sizes(8, L));
    Tokens tokens = subject.draw_tokens({L, L});
    // Whole numbers, so that the sums are exact in every dtype.
    const auto whole = [&](const char* use) {
      std::vector<double> values = to_vector<double>(draw(tokens.v.shape(), DType::F64, setting.seed, use));
      for (double& x : values) x = std::round(2 * x);
      return values;
    };
    const std::vector<double> a = whole("linear a"), b = whole("linear b"), none(a.size(), 0);
    std::vector<double> both(a.size());
    for (size_t i = 0; i < a.size(); ++i) both[i] = a[i] + 2 * b[i];
    const auto y = [&](const std::vector<double>& v) {
      tokens.v = from_vector(v, tokens.v.shape());
      return to_vector<double>(product(subject, tokens, full_layout({L, L})));
    };
    const auto ya = y(a), yb = y(b), r = y(none), yboth = y(both);
    double difference = 0, size = 0;
    for (size_t i = 0; i < r.size(); ++i) {
      const double want = ya[i] + 2 * (yb[i] - r[i]);
      difference += (yboth[i] - want) * (yboth[i] - want);
      size += ya[i] * ya[i] + 4 * yb[i] * yb[i] + r[i] * r[i];
    }
    book.add("linear", size > 0 ? std::sqrt(difference / size) : 0,
             rounding_tolerance(setting.dtype, static_cast<double>(L)), where_of(L, 8, "full"));
  }
}

void check_causal(const Setting& setting, LawBook& book) {
  const int64_t L = 19, past = 11;
  const Subject subject(setting, law_sizes(8, L));
  Tokens tokens = subject.draw_tokens({L});
  double above = 0;
  for (const Matrix& M : matrices_of(subject.matrix(tokens, full_layout({L}))))
    above = std::max<double>(above, Matrix(M.triangularView<Eigen::StrictlyUpper>()).norm() / M.norm());
  const bool causal = subject.mixer().traits().causal;
  book.add("causal", causal ? above : above == 0, 0,
           causal ? "share of M above the diagonal" : "M has nothing above the diagonal but does not promise it");
  if (!causal) return;
  const Tensor before = product(subject, tokens, full_layout({L}));
  tokens.v = clone(tokens.v);
  fill(tokens.v.narrow(0, past, L - past), 1e3);
  const Tensor after = product(subject, tokens, full_layout({L}));
  book.add("causal", relative_error(after.narrow(0, 0, past), before.narrow(0, 0, past)), 0,
           "the fast form, when v behind a token changes");
}

void check_facts(const Setting& setting, LawBook& book) {
  if (setting.dtype != DType::F64) return;
  const int64_t L = 7;
  const BlockSubject subject(setting, L);
  const mixers::MixerBlock& block = subject.block();

  const double change = relative_error(subject.matrix(L, "one input"), subject.matrix(L, "another input"));
  book.add("data_dependent", (change > kChange) == block.data_dependent(),
           text("M changes by ", change, " with the input, promised ", block.data_dependent()));

  if (setting.source == SourceKind::kProjected) {
    const Subject mixer = exact_subject(setting, L);
    const double future = influence_of_future(mixer, L);
    const bool promised = mixer.mixer().traits().sequence_aligned;
    book.add("sequence_aligned", (future <= kChange) == promised,
             text("M[:i+1, :i+1] changes by ", future, " with later tokens, promised ", promised));
  }

  bool extends = true;
  try {
    extends = std::isfinite(relative_error(subject.forward(3 * L, "long"), subject.forward(3 * L, "longer")));
  } catch (const Error&) {
    extends = false;
  }
  book.add("extendable", extends == block.extendable(),
           text(extends ? "takes" : "refuses", " L=", 3 * L, " after max_len ", L, ", promised ", block.extendable()));
}

void check_ranks(const Setting& setting, LawBook& book) {
  if (setting.dtype != DType::F64) return;
  const int64_t L = 20;
  const Subject subject = exact_subject(setting, L);
  const mixers::Traits traits = subject.mixer().traits();
  std::vector<Matrix> matrices = matrices_of(subject.matrix(subject.draw_tokens({L}), full_layout({L})));
  if (traits.rank_below) check_rank(matrices, *traits.rank_below, "below", book);
  for (Matrix& M : matrices) M.transposeInPlace();
  if (traits.rank_above) check_rank(matrices, *traits.rank_above, "above", book);
}

}  // namespace matmix::experiments
