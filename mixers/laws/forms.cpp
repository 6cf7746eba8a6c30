// Laws between two ways to the same numbers: fast and explicit, laid out this way and that, once and again, here and on
// the GPU.
#include <algorithm>
#include <cmath>
#include <functional>

#include "mixers/laws/error_sums.h"
#include "tensor/compare.h"
#include "tensor/parallel.h"
#include "tensor/transfer.h"

namespace matmix::mixers::laws {
namespace {

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

/// The laws of one chunk length between the fast form, the explicit one, and layouts of the same tokens.
class Forms {
 public:
  Forms(const Setting& setting, const Sweep& sweep, LawBook& book)
      : setting_(setting),
        sweep_(sweep),
        book_(book),
        subject_(setting, law_sizes(sweep.Q, sweep.max_len())),
        oracle_(subject_.in(DType::F64, kCpu)),
        rounding_(subject_) {}

  void check_twins() {
    Pool twins;
    for (const int64_t L : sweep_.lengths)
      for (const auto& [lengths, layout] : twin_layouts(L, setting_.exhaustive)) {
        const Tokens tokens = subject_.draw_tokens(lengths);
        const Evaluation truth = evaluate(*oracle_, tokens, layout, Form::kExplicit);
        twins.add(evaluate(subject_, tokens, layout, Form::kFast), truth, where_of(L, sweep_.Q, layout.name));
        if (setting_.dtype != DType::F64)
          rounding_.add(tokens, layout, truth);
        else if (layout.name == "full")
          rounding_.add(lengths, layout);
      }
    twins.write(
        book_, [](const std::string& part) { return part == "y" ? "value" : "gradient"; },
        [&](const std::string& part) { return rounding_.allowed(part, true); });
  }

  /// Behind check_twins(), which measures what rounding allows.
  void check_layouts() {
    Pool padding, packing;
    for (const int64_t L : sweep_.lengths) {
      const bool chosen = L == 1 || L % 8 == 1 || L == sweep_.max_len();
      if (L == 0 || (!setting_.exhaustive && !chosen)) continue;
      const Tokens tokens = subject_.draw_tokens(unlike_lengths(L));
      const Evaluation apart = evaluate_apart(subject_, tokens);
      check_padding(tokens, apart, where_of(L, sweep_.Q, ""), padding);
      const Layout packed = packed_layout(tokens.lengths);
      packing.add(evaluate(subject_, tokens, packed, Form::kFast), apart, where_of(L, sweep_.Q, "packed"));
    }
    const auto allowed = [&](const std::string& part) { return rounding_.allowed(part); };
    padding.write(
        book_, [](const std::string&) { return "padding"; }, allowed);
    packing.write(
        book_, [](const std::string&) { return "packing"; }, allowed);
  }

 private:
  /// NaN in every layout of padding, and a batch of nothing else, against each sequence alone.
  void check_padding(const Tokens& tokens, const Evaluation& apart, const std::string& where, Pool& pool) {
    for (const Padding side : {Padding::kLeft, Padding::kRight, Padding::kBoth}) {
      const Layout layout = padded_layout(tokens.lengths, side);
      const Evaluation padded = evaluate(subject_, tokens, layout, Form::kFast, NAN);
      pool.add(padded, apart, where + layout.name);
      book_.add("padding", padded.clean, where + layout.name + ", not 0 at padding");
    }
    const Tokens none = subject_.draw_tokens({0, 0});
    const Layout layout = padded_layout(none.lengths, Padding::kBoth);
    book_.add("padding", evaluate(subject_, none, layout, Form::kFast, NAN).clean, "a batch of padding is not 0");
  }

  Setting setting_;
  Sweep sweep_;
  LawBook& book_;
  Subject subject_;
  std::unique_ptr<Subject> oracle_;
  Rounding rounding_;
};

/// Calls f with CPU kernels on so many threads.
Evaluation on_threads(int threads, const std::function<Evaluation()>& f) {
  const int before = thread_count();
  set_thread_count(threads);
  Evaluation result = f();
  set_thread_count(before);
  return result;
}

}  // namespace

void check_forms(const Setting& setting, LawBook& book) {
  for (const Sweep& sweep : sweeps(setting.exhaustive)) {
    Forms forms(setting, sweep, book);
    forms.check_twins();
    forms.check_layouts();
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
    Rounding rounding(here);
    rounding.add(tokens.lengths, layout);
    Pool pool;
    for (const Form form : {Form::kFast, Form::kExplicit})
      pool.add(evaluate(there, tokens, layout, form), evaluate(here, tokens, layout, form),
               where_of(L, sweep.Q, form == Form::kFast ? "fast" : "explicit"));
    pool.write(
        book, [](const std::string&) { return "devices"; },
        [&](const std::string& part) { return rounding.allowed(part, true); });
  }
}

}  // namespace matmix::mixers::laws
