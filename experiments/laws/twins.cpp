// Laws between two ways to the same numbers: fast and explicit, laid out this way and that, once and again, here and on
// the GPU.
#include <algorithm>
#include <cmath>
#include <functional>

#include "experiments/compare.h"
#include "experiments/laws/law_book.h"
#include "experiments/tolerance.h"
#include "tensor/parallel.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

/// Rounding grows with the longest sum: a parameter's gradient sums over all elements of v.
double tolerance_of(const Setting& setting, const Tokens& tokens) {
  return tolerance(setting.dtype, static_cast<double>(tokens.v.numel()));
}

/// Calls f(name, of a, of b, ...) for the result and every gradient of evaluations of the same tokens.
template <class F, class... More>
void for_each_part(F&& f, const Evaluation& first, const More&... more) {
  f("y", first.y, more.y...);
  for (size_t i = 0; i < first.gradients.size(); ++i)
    f("d " + first.gradients[i].name, first.gradients[i].value, more.gradients[i].value...);
}

const char* law_of(const std::string& part) { return part == "y" ? "value" : "gradient"; }

void add_comparison(LawBook& book, const std::string& law, const Evaluation& got, const Evaluation& want,
                    double tolerance, const std::string& where) {
  for_each_part([&](const std::string& part, const Tensor& a,
                    const Tensor& b) { book.add(law, relative_error(a, b), tolerance, where + ", " + part); },
                got, want);
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

/// BF16 results of many cases, end to end as one vector: the error of a few numbers is luck, that of many is not.
class Bf16Twins {
 public:
  void add(const std::string& part, const Tensor& got, const Tensor& plain, const Tensor& want) {
    Sums& sums = sums_of(part);
    const auto a = to_vector<double>(got), b = to_vector<double>(plain), c = to_vector<double>(want);
    for (size_t i = 0; i < c.size(); ++i) {
      sums.fast += (a[i] - c[i]) * (a[i] - c[i]);
      sums.plain += (b[i] - c[i]) * (b[i] - c[i]);
      sums.size += c[i] * c[i];
    }
  }
  void write(LawBook& book, const std::string& where) const {
    for (const Sums& s : all_) {
      const double size = s.size > 0 ? s.size : 1;
      book.add(law_of(s.part), std::sqrt(s.fast / size), kBf16Share * std::sqrt(s.plain / size) + kBf16Rounding,
               text(where, ", ", s.part));
    }
  }

 private:
  struct Sums {
    std::string part;
    double fast = 0, plain = 0, size = 0;  ///< squared
  };
  Sums& sums_of(const std::string& part) {
    const auto known = std::ranges::find(all_, part, &Sums::part);
    return known == all_.end() ? all_.emplace_back(Sums{part}) : *known;
  }

  std::vector<Sums> all_;
};

/// Fast against explicit for one chunk length.
class Twins {
 public:
  Twins(const Setting& setting, const Sweep& sweep, LawBook& book)
      : setting_(setting),
        sweep_(sweep),
        book_(book),
        subject_(setting, law_sizes(sweep.Q, sweep.max_len())),
        oracle_(subject_.oracle()) {}

  void check() {
    for (const int64_t L : sweep_.lengths)
      for (const auto& [lengths, layout] : twin_layouts(L, setting_.exhaustive)) check(L, lengths, layout);
    bf16_.write(book_, text("Q=", sweep_.Q, " all L and layouts"));
  }

 private:
  void check(int64_t L, const std::vector<int64_t>& lengths, const Layout& layout) {
    const Tokens tokens = subject_.draw_tokens(lengths);
    const Evaluation fast = evaluate(subject_, tokens, layout, Form::kFast);
    const Evaluation truth = evaluate(*oracle_, tokens, layout, Form::kExplicit);
    if (setting_.dtype == DType::BF16) {
      const Evaluation plain = evaluate(subject_, tokens, layout, Form::kExplicit);
      for_each_part([&](const auto& part, const Tensor& got, const Tensor& rounded,
                        const Tensor& want) { bf16_.add(part, got, rounded, want); },
                    fast, plain, truth);
      return;
    }
    for_each_part(
        [&](const std::string& part, const Tensor& got, const Tensor& want) {
          book_.add(law_of(part), relative_error(got, want), tolerance_of(setting_, tokens),
                    where_of(L, sweep_.Q, layout.name) + ", " + part);
        },
        fast, truth);
  }

  Setting setting_;
  Sweep sweep_;
  LawBook& book_;
  Subject subject_;
  std::unique_ptr<Subject> oracle_;
  Bf16Twins bf16_;
};

/// NaN in every layout of padding, and a batch of nothing else, against each sequence alone.
void check_padding(const Subject& subject, const Tokens& tokens, const Evaluation& apart, const std::string& where,
                   LawBook& book) {
  const double tolerance = tolerance_of(subject.setting(), tokens);
  for (const Padding side : {Padding::kLeft, Padding::kRight, Padding::kBoth}) {
    const Layout layout = padded_layout(tokens.lengths, side);
    const Evaluation padded = evaluate(subject, tokens, layout, Form::kFast, NAN);
    add_comparison(book, "padding", padded, apart, tolerance, where + layout.name);
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
    for (const int64_t L : sweep.lengths) {
      const bool chosen = L == 1 || L % 8 == 1 || L == sweep.max_len();
      if (L == 0 || (!setting.exhaustive && !chosen)) continue;
      const Tokens tokens = subject.draw_tokens(unlike_lengths(L));
      const Evaluation apart = evaluate_apart(subject, tokens);
      check_padding(subject, tokens, apart, where_of(L, sweep.Q, ""), book);
      const Layout packed = packed_layout(tokens.lengths);
      add_comparison(book, "packing", evaluate(subject, tokens, packed, Form::kFast), apart,
                     tolerance_of(setting, tokens), where_of(L, sweep.Q, "packed"));
    }
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
    for (const Form form : {Form::kFast, Form::kExplicit})
      add_comparison(book, "devices", evaluate(there, tokens, layout, form), evaluate(here, tokens, layout, form),
                     tolerance_of(setting, tokens), where_of(L, sweep.Q, form == Form::kFast ? "fast" : "explicit"));
  }
}

}  // namespace matmix::experiments
