// Laws between two ways to the same numbers: fast and explicit, laid out this way and that, once and again, here and on
// the GPU.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "mixers/laws/error_sums.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/tolerance.h"
#include "tensor/transfer.h"

namespace matmix::mixers::laws {
namespace {

/// Rounding grows with the longest sum: a parameter's gradient sums over all elements of v.
double tolerance_of(DType dtype, const Sweep& sweep) {
  const std::vector<int64_t> lengths = unlike_lengths(sweep.max_len());
  const auto tokens = std::max(2 * sweep.max_len(), std::accumulate(lengths.begin(), lengths.end(), int64_t{0}));
  return tolerance(dtype, static_cast<double>(tokens * kLawShape.D));
}

/// The same, or what the fast form itself states.
double allowed_to(const Subject& subject, const Sweep& sweep) {
  return std::max(tolerance_of(subject.setting().dtype, sweep), subject.mixer().traits().accuracy);
}

/// Calls f(name, of a, of b, ...) for the result and every gradient of evaluations of the same tokens.
template <class F, class... More>
void for_each_part(F&& f, const Evaluation& first, const More&... more) {
  f("y", first.y, more.y...);
  for (size_t i = 0; i < first.gradients.size(); ++i)
    f("d " + first.gradients[i].name, first.gradients[i].value, more.gradients[i].value...);
}

/// Layouts for the comparison of fast and explicit, with the lengths of their sequences.
std::vector<std::pair<std::vector<int64_t>, Layout>> twin_layouts(int64_t L, bool all) {
  const std::vector<int64_t> equal{L, L}, unlike = unlike_lengths(L);
  if (L == 0) return {{equal, full_layout(equal)}};
  std::vector<std::pair<std::vector<int64_t>, Layout>> layouts{
      {equal, full_layout(equal)}, {unlike, packed_layout(unlike)}, {unlike, padded_layout(unlike, Padding::kRight)}};
  if (all)
    for (const Padding side : {Padding::kLeft, Padding::kBoth})
      layouts.emplace_back(unlike, padded_layout(unlike, side));
  return layouts;
}

/// Fast against explicit for one chunk length.
class Twins {
 public:
  Twins(const Setting& setting, const Sweep& sweep, LawBook& book)
      : setting_(setting),
        sweep_(sweep),
        book_(book),
        subject_(setting, law_sizes(sweep.Q, sweep.max_len())),
        oracle_(subject_.in(DType::F64, kCpu)),
        rounded_(subject_.in(setting.dtype == DType::F64 ? DType::F32 : setting.dtype, kCpu)),
        exact_(rounded_->in(DType::F64, kCpu)) {}

  void check() {
    for (const int64_t L : sweep_.lengths)
      for (const auto& [lengths, layout] : twin_layouts(L, setting_.exhaustive)) check(L, lengths, layout);
    for (const Pool::Sums& s : pool_.parts()) {
      const double allowed = allowed_to(subject_, sweep_);
      if (getenv("DUMP")) fprintf(stderr, "D|%s|%s|%s|%s|Q%ld|%s|%.4g|%.4g\n", setting_.row.name.c_str(), std::string(to_string(setting_.source)).c_str(), std::string(to_string(setting_.dtype)).c_str(), to_string(setting_.device).c_str(), (long)sweep_.Q, s.part.c_str(), s.relative() , rounding_.relative(s.part) * (setting_.dtype == DType::F64 ? 0x1p-29 : 1));
      book_.add(s.part == "y" ? "value" : "gradient", s.relative(), allowed, s.where + ", " + s.part);
    }
  }

 private:
  void check(int64_t L, const std::vector<int64_t>& lengths, const Layout& layout) {
    const std::string where = where_of(L, sweep_.Q, layout.name);
    const Tokens tokens = subject_.draw_tokens(lengths);
    pool_.add(evaluate(subject_, tokens, layout, Form::kFast), evaluate(*oracle_, tokens, layout, Form::kExplicit), where);
    const Tokens r = rounded_->draw_tokens(lengths);
    rounding_.add(evaluate(*rounded_, r, layout, Form::kExplicit), evaluate(*exact_, r, layout, Form::kExplicit), where);
  }

  Setting setting_;
  Sweep sweep_;
  LawBook& book_;
  Subject subject_;
  std::unique_ptr<Subject> oracle_, rounded_, exact_;
  Pool pool_, rounding_;
};

/// NaN in every layout of padding, and a batch of nothing else, against each sequence alone.
void check_padding(const Subject& subject, const Tokens& tokens, const Evaluation& apart, const std::string& where,
                   Pool& pool, LawBook& book) {
  for (const Padding side : {Padding::kLeft, Padding::kRight, Padding::kBoth}) {
    const Layout layout = padded_layout(tokens.lengths, side);
    const Evaluation padded = evaluate(subject, tokens, layout, Form::kFast, NAN);
    pool.add(padded, apart, where + layout.name);
    book.add("padding", padded.clean, where + layout.name + ", not 0 at padding");
  }
  const Tokens none = subject.draw_tokens({0, 0});
  const Layout layout = padded_layout(none.lengths, Padding::kBoth);
  book.add("padding", evaluate(subject, none, layout, Form::kFast, NAN).clean, "a batch of padding is not 0");
}

/// Calls f with CPU kernels on so many threads.
Evaluation on_threads(int threads, const std::function<Evaluation()>& f) {
  const int before = thread_count();
  set_thread_count(threads);
  Evaluation result = f();
  set_thread_count(before);
  return result;
}

}  // namespace

void check_twins(const Setting& setting, LawBook& book) {
  for (const Sweep& sweep : sweeps(setting.exhaustive)) Twins(setting, sweep, book).check();
}

void check_layouts(const Setting& setting, LawBook& book) {
  for (const Sweep& sweep : sweeps(setting.exhaustive)) {
    const Subject subject(setting, law_sizes(sweep.Q, sweep.max_len()));
    Pool padding, packing;
    for (const int64_t L : sweep.lengths) {
      const bool chosen = L == 1 || L % 8 == 1 || L == sweep.max_len();
      if (L == 0 || (!setting.exhaustive && !chosen)) continue;
      const Tokens tokens = subject.draw_tokens(unlike_lengths(L));
      const Evaluation apart = evaluate_apart(subject, tokens);
      check_padding(subject, tokens, apart, where_of(L, sweep.Q, ""), padding, book);
      const Layout packed = packed_layout(tokens.lengths);
      packing.add(evaluate(subject, tokens, packed, Form::kFast), apart, where_of(L, sweep.Q, "packed"));
    }
    padding.write(book, "padding", tolerance_of(setting.dtype, sweep));
    packing.write(book, "packing", tolerance_of(setting.dtype, sweep));
  }
}

void check_repeatable(const Setting& setting, LawBook& book) {
  for (const Sweep& sweep : sweeps(false)) {
    const int64_t L = sweep.max_len();
    const Subject subject(setting, law_sizes(sweep.Q, L));
    const Tokens tokens = subject.draw_tokens(unlike_lengths(L));
    const Layout layout = packed_layout(tokens.lengths);
    const auto once = [&] { return evaluate(subject, tokens, layout, Form::kFast); };
    const Evaluation first = on_threads(1, once);
    for (const int threads : {1, 2, 3})
      for_each_part(
          [&](const std::string& part, const Tensor& a, const Tensor& b) {
            book.add("repeatable", same_bits(a, b),
                     text(where_of(L, sweep.Q, "packed"), ", ", part, " on ", threads, " threads"));
          },
          on_threads(threads, once), first);
  }
}

void check_devices(const Setting& setting, LawBook& book) {
  if (!setting.device.is_cuda()) return;
  Setting on_cpu = setting;
  on_cpu.device = kCpu;
  for (const Sweep& sweep : sweeps(false)) {
    const int64_t L = sweep.max_len();
    const Subject there(setting, law_sizes(sweep.Q, L)), here(on_cpu, law_sizes(sweep.Q, L));
    const Tokens tokens = there.draw_tokens(unlike_lengths(L));
    const Layout layout = packed_layout(tokens.lengths);
    Pool pool;
    for (const Form form : {Form::kFast, Form::kExplicit})
      pool.add(evaluate(there, tokens, layout, form), evaluate(here, tokens, layout, form),
               where_of(L, sweep.Q, form == Form::kFast ? "fast" : "explicit"));
    pool.write(book, "devices", allowed_to(there, sweep));
  }
}

}  // namespace matmix::mixers::laws
