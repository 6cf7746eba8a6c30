// Three forms of every causal recurrence: the matrix, the fast form over pieces of a run, and token by token.
#include "mixers/laws/error_sums.h"
#include "mixers/recurrence.h"
#include "ops/layout/layout.h"

namespace matmix::mixers::laws {
namespace {

const Recurrence* recurrence_of(const Mixer& mixer) { return dynamic_cast<const Recurrence*>(&mixer); }

/// Rows cut into pieces of these lengths, each from the state that the one before leaves behind.
template <class Advance>
Var in_pieces(const Streams& c, const Var& v, const Runs& rows, const std::vector<int64_t>& lengths, Advance advance) {
  const Streams tokens = c.by_token(rows);
  std::vector<Var> results;
  Var state;
  int64_t start = 0;
  for (const int64_t length : lengths) {
    std::vector<Run> piece;
    for (int64_t row = 0; row < rows.B(); ++row) piece.push_back({row, start, length});
    const Recurrence::Carried next = advance(tokens.of_runs(rows, piece), narrow(v, 1, start, length), state);
    results.push_back(next.y);
    state = next.state;
    start += length;
  }
  return concat(results, 1);
}

Product carried(const std::vector<int64_t>& lengths) {
  return [=](const Mixer& mixer, const Streams& c, const Var& v, const Runs& rows) {
    return in_pieces(c, v, rows, lengths, [&](const auto&... piece) { return recurrence_of(mixer)->carry(piece...); });
  };
}

Var step_by_step(const Mixer& mixer, const Streams& c, const Var& v, const Runs& rows) {
  return in_pieces(c, v, rows, std::vector<int64_t>(static_cast<size_t>(v.dim(1)), 1),
                   [&](const auto&... token) { return recurrence_of(mixer)->step(token...); });
}

}  // namespace

void check_recurrence(const Setting& setting, LawBook& book) {
  if (setting.dtype != DType::F64) return;
  const int64_t longest = 20;
  const Subject subject(setting, law_sizes(8, longest));
  const Traits traits = subject.mixer().traits();
  if (!traits.causal || traits.rank_below.value_or(0) == 0) return;
  book.add("recurrence", recurrence_of(subject.mixer()) != nullptr, "causal and of bounded rank, but no Recurrence");
  if (recurrence_of(subject.mixer()) == nullptr) return;
  Pool pool;
  Rounding rounding(subject);
  for (const int64_t L : {1, 7, 8, 9, 20}) {
    const Tokens tokens = subject.draw_tokens({L, L});
    const Layout rows = full_layout(tokens.lengths);
    const Evaluation truth = evaluate(subject, tokens, rows, Form::kExplicit);
    rounding.add(tokens.lengths, rows);
    pool.add(evaluate(subject, tokens, rows, step_by_step), truth, text("L=", L, " token by token"));
    for (const int64_t cut : {L, L / 3, L - 1})
      if (cut > 0)
        pool.add(evaluate(subject, tokens, rows, carried(cut < L ? std::vector{cut, L - cut} : std::vector{L})), truth,
                 text("L=", L, " carried over at ", cut));
  }
  pool.write(
      book, [](const std::string&) { return "recurrence"; },
      [&](const std::string& part) { return rounding.allowed(part, true); });
}

}  // namespace matmix::mixers::laws
