// Laws on what a mixer says of its matrix: linearity, causality, scales, the three facts.
#include <cmath>
#include <optional>

#include "autograd/no_grad.h"
#include "mixers/laws/block_fixture.h"
#include "mixers/laws/error_sums.h"
#include "mixers/laws/law_report.h"
#include "mixers/laws/matrices.h"
#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix::mixers::laws {
namespace {

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

/// The first n tokens of one sequence.
Tokens first_tokens(Tokens tokens, int64_t n) {
  const auto cut = [n](const Tensor& x) { return contiguous(x.narrow(0, 0, n)); };
  for (NamedTensor& s : tokens.streams)
    if (s.per_token) s.value = cut(s.value);
  return {{n}, tokens.streams, cut(tokens.v), cut(tokens.dy)};
}

/// The same with streams of 0 behind the first n tokens or positions.
Tokens silent_behind(Tokens tokens, int64_t n) {
  for (NamedTensor& s : tokens.streams) {
    const int axis = s.per_token ? 0 : 1;
    s.value = clone(s.value);
    fill(s.value.narrow(axis, n, s.value.dim(axis) - n), 0);
  }
  return tokens;
}

/// How far b is from a, as a share of a; up to a factor if they are rows of a normalised M.
double change_of_row(const Eigen::VectorXd& a, const Eigen::VectorXd& b, bool normalised) {
  const double size = a.norm() > 0 ? a.norm() : 1;
  return normalised ? distance_up_to_factor(a, b) : (b - a).norm() / size;
}

/// What rounding allows to the result at sequences of these equal lengths.
double allowed_to_y(const Subject& subject, const std::vector<int64_t>& lengths) {
  Rounding rounding(subject);
  rounding.add(lengths, full_layout(lengths));
  return rounding.allowed("y");
}

/// How far the row sums of M are from 1, at most.
double distance_from_normalised(const Subject& subject, int64_t L) {
  double worst = 0;
  for (const Matrix& M : matrices_of(subject.matrix(subject.draw_tokens({L}), full_layout({L}))))
    worst = std::max(worst, (M.rowwise().sum().array() - 1).abs().maxCoeff());
  return worst;
}

/// The largest change of M[:i+1, :i+1] when streams behind token i change; up to a factor a row if M is normalised.
double influence_of_future(const Subject& subject, int64_t L) {
  const Tokens tokens = subject.draw_tokens({L});
  const Layout layout = full_layout({L});
  const std::vector<Matrix> before = matrices_of(subject.matrix(tokens, layout));
  const bool normalised = subject.mixer().traits().normalised;
  double worst = 0;
  for (int64_t i = 0; i + 1 < L; ++i) {
    const auto after = matrices_of(subject.matrix(with_another_future(subject, tokens, i), layout));
    for (size_t m = 0; m < before.size(); ++m)
      for (int64_t row = 0; row <= i; ++row)
        worst =
            std::max(worst, change_of_row(before[m].row(row).head(i + 1), after[m].row(row).head(i + 1), normalised));
  }
  return worst;
}

}  // namespace

void check_linear(const Setting& setting, LawBook& book) {
  double difference = 0, size = 0;
  const int64_t longest = 20;
  const Subject subject(setting, law_sizes(8, longest));
  Rounding rounding(subject);
  for (const int64_t L : {int64_t{1}, int64_t{7}, longest}) {
    const Layout layout = full_layout({L, L});
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
      return to_vector<double>(product(subject, tokens, layout));
    };
    const auto ya = y(a), yb = y(b), r = y(none), yboth = y(both);
    for (size_t i = 0; i < r.size(); ++i) {
      const double want = ya[i] + 2 * (yb[i] - r[i]);
      difference += (yboth[i] - want) * (yboth[i] - want);
      size += ya[i] * ya[i] + 4 * yb[i] * yb[i] + r[i] * r[i];
    }
    rounding.add(tokens.lengths, layout);
  }
  book.add("linear", size > 0 ? std::sqrt(difference / size) : 0, rounding.allowed("y"), where_of(longest, 8, "full"));
}

void check_causal(const Setting& setting, LawBook& book) {
  const int64_t L = 19, past = 11;
  const Subject subject(setting, law_sizes(8, L));
  Tokens tokens = subject.draw_tokens({L});
  double above = 0;
  for (const Matrix& M : matrices_of(subject.matrix(tokens, full_layout({L}))))
    above = std::max<double>(above, Matrix(M.triangularView<Eigen::StrictlyUpper>()).norm() / M.norm());
  const Traits promised = subject.mixer().traits();
  book.add(
      "causal", promised.causal ? above : above == 0, 0,
      promised.causal ? "share of M above the diagonal" : "M has nothing above the diagonal but does not promise it");
  if (!promised.causal) return;
  const Tensor before = product(subject, tokens, full_layout({L})).narrow(0, 0, past);
  if (!promised.length_dependent)
    book.add("truncation", relative_error(product(subject, first_tokens(tokens, past), full_layout({past})), before),
             allowed_to_y(subject, {past}), text("the first ", past, " of ", L));
  tokens.v = clone(tokens.v);
  fill(tokens.v.narrow(0, past, L - past), 1e3);
  const Tensor after = product(subject, tokens, full_layout({L})), want = clone(after);
  copy(want.narrow(0, 0, past), before);
  book.add("causal", relative_error(after, want), promised.by_transforms ? allowed_to_y(subject, {L}) : 0,
           "the fast form, when v behind a token changes");
}

void check_scale(const Setting& setting, LawBook& book) {
  if (setting.dtype != DType::F64) return;
  const int64_t L = 7, longer = 20;
  const Subject subject = small_subject(setting, longer);
  const Tokens tokens = silent_behind(subject.draw_tokens({longer}), L);
  const auto whole = matrices_of(subject.matrix(tokens, full_layout({longer})));
  const auto alone = matrices_of(subject.matrix(first_tokens(tokens, L), full_layout({L})));
  const Traits promised = subject.mixer().traits();
  double worst = 0;
  for (size_t m = 0; m < alone.size(); ++m)
    for (int64_t i = 0; i < L; ++i) {
      const double change = change_of_row(alone[m].row(i), whole[m].row(i).head(L), promised.normalised);
      worst = std::max(worst, change);
      if (!promised.length_dependent)
        book.add("scale", change, kChange, text("row ", i, " of L=", L, " and L=", longer));
    }
  if (promised.length_dependent)
    book.add("scale", worst > kChange, "M is said to change with the length, and does not");
}

void check_facts(const Setting& setting, LawBook& book) {
  if (setting.dtype != DType::F64) return;
  const int64_t L = 7;
  const BlockSubject subject(setting, L);
  const MixerBlock& block = subject.block();

  const double change = relative_error(subject.matrix(L, "one input"), subject.matrix(L, "another input"));
  book.add("data_dependent", (change > kChange) == block.data_dependent(),
           text("M changes by ", change, " with the input, promised ", block.data_dependent()));

  if (setting.source == SourceKind::kProjected) {
    const Subject mixer = small_subject(setting, L);
    const Traits promised = mixer.mixer().traits();
    const double off = distance_from_normalised(mixer, L), future = influence_of_future(mixer, L);
    book.add("normalised", (off <= kChange) == promised.normalised,
             text("rows sum to 1 but for ", off, ", promised ", promised.normalised));
    book.add("sequence_aligned", (future <= kChange) == promised.sequence_aligned,
             text("M[:i+1, :i+1] changes by ", future, " with later tokens, promised ", promised.sequence_aligned));
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

}  // namespace matmix::mixers::laws
