// Laws between two ways to the same numbers: fast and explicit, laid out this way and that, once and again, here and on
// the GPU.
#include <algorithm>
#include <cmath>
#include <functional>

#include "experiments/compare.h"
#include "experiments/laws/law_book.h"
#include "tensor/parallel.h"
#include "tensor/transfer.h"

namespace matmix::experiments {
namespace {

/// A BF16 result may be this many times as far from F64 as the explicit form in BF16 is, and one rounding more.
constexpr double kBf16Slack = 2;
/// The error of so few numbers is luck, so there a fixed share is allowed too.
constexpr int64_t kFewNumbers = 64;

/// What is allowed to a BF16 result, where the explicit form in BF16 gave `plain` instead of `want`.
double bf16_tolerance(const Tensor& plain, const Tensor& want) {
  const std::vector<double> values = to_vector<double>(want);
  const bool few = std::ranges::count_if(values, [](double x) { return x != 0; }) < kFewNumbers;
  return kBf16Slack * relative_error(plain, want) + (few ? rounding_tolerance(DType::BF16, 1) : 0x1p-8);
}

/// Rounding grows with the longest sum: a parameter's gradient sums over all elements of v.
double tolerance_of(const Setting& setting, const Tokens& tokens) {
  return rounding_tolerance(setting.dtype, static_cast<double>(tokens.v.numel()));
}

/// Calls f(name, of a, of b, ...) for the result and every gradient of evaluations of the same tokens.
template <class F, class... More>
void for_each_part(F&& f, const Evaluation& first, const More&... more) {
  f("y", first.y, more.y...);
  for (size_t i = 0; i < first.gradients.size(); ++i)
    f("d " + first.gradients[i].name, first.gradients[i].value, more.gradients[i].value...);
}

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

class Twins {
 public:
  Twins(const Setting& setting, const Sweep& sweep, LawBook& book)
      : setting_(setting),
        sweep_(sweep),
        book_(book),
        subject_(setting, law_sizes(sweep.Q, sweep.max_len())),
        oracle_(subject_.oracle()) {}

  void check(int64_t L) {
    for (const auto& [lengths, layout] : twin_layouts(L, setting_.exhaustive)) {
      const Tokens tokens = subject_.draw_tokens(lengths);
      const std::string where = where_of(L, sweep_.Q, layout.name);
      const Evaluation fast = evaluate(subject_, tokens, layout, Form::kFast);
      const Evaluation truth = evaluate(*oracle_, tokens, layout, Form::kExplicit);
      const Evaluation plain =
          setting_.dtype == DType::BF16 ? evaluate(subject_, tokens, layout, Form::kExplicit) : truth;
      for_each_part(
          [&](const std::string& part, const Tensor& got, const Tensor& want, const Tensor& rounded) {
            const double tolerance =
                setting_.dtype == DType::BF16 ? bf16_tolerance(rounded, want) : tolerance_of(setting_, tokens);
            book_.add(part == "y" ? "value" : "gradient", relative_error(got, want), tolerance,
                      part == "y" ? where : where + ", " + part);
          },
          fast, truth, plain);
    }
  }

 private:
  Setting setting_;
  Sweep sweep_;
  LawBook& book_;
  Subject subject_;
  std::unique_ptr<Subject> oracle_;
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
  for (const Sweep& sweep : sweeps(setting.exhaustive)) {
    Twins twins(setting, sweep, book);
    for (const int64_t L : sweep.lengths) twins.check(L);
  }
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
