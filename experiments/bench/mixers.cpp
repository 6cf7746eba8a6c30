// matmix bench mixers: the explicit and the fast form of every mixer at growing lengths, one sequence a call: forward,
// forward + backward, bytes at the peak; how time grows when the length is four times as long, and from where on the
// fast form is faster.
#include <fmt/core.h>
#include <algorithm>
#include <cmath>
#include <optional>

#include "autograd/backward.h"
#include "autograd/no_grad.h"
#include "experiments/bench/bench.h"
#include "experiments/bench/mixer_page.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "experiments/output/provenance.h"
#include "experiments/output/table.h"
#include "mixers/laws/fixture.h"
#include "tensor/file.h"

namespace matmix::experiments {
namespace {

using namespace mixers::laws;
using mixers::Streams;

constexpr mixers::BlockShape kShape{.D = 256, .H = 4, .P = 64};

/// A mixer with streams for one sequence of L tokens; nothing is said of values but that they are there.
class MixerWork {
 public:
  MixerWork(const mixers::MixerRow& row, mixers::laws::SourceKind source, int64_t L, MathMode mode, Device device)
      : mixer_(row.make(kShape, {.max_len = L})),
        store_(*mixer_, device, mode, 0),
        runs_(Runs::full(1, L)),
        v_(random_values({1, L, kShape.H, kShape.P}, activation_dtype(mode), device)),
        dy_(random_values({1, L, kShape.H * mixer_->traits().copies, kShape.P}, v_.dtype(), device)) {
    for (const mixers::Stream& s : mixer_->streams())
      streams_.push_back({s.name, random_values(Shape{1, L} + s.per_token, v_.dtype(), device, 0.3),
                          source == mixers::laws::SourceKind::kProjected});
  }

  Var forward(Form form) const {
    Streams c(v_.dtype(), v_.device());
    for (const NamedTensor& s : streams_) {
      if (s.per_token)
        c.put_tokens(s.name, leaf(s.value));
      else
        c.put_positions(s.name, leaf(s.value));
    }
    return form == Form::kFast ? mixer_->mix(c, leaf(v_), runs_) : explicit_product(*mixer_, c, leaf(v_), runs_);
  }
  void forward_only(Form form) const {
    const NoGrad values_only;
    forward(form);
  }
  void forward_backward(Form form) const { backward(forward(form), {.seed = dy_}); }

 private:
  std::unique_ptr<mixers::Mixer> mixer_;
  nn::ParameterStore store_;
  Runs runs_;
  Tensor v_, dy_;
  std::vector<NamedTensor> streams_;
};

/// What is absurd is not tried, and neither is what is longer: an M of too many elements, or more time or memory than
/// this by the form's figures at the length before.
constexpr int64_t kMostElements = int64_t{1} << 27;
constexpr double kMostMs = 30e3, kMostBytes = 10e9;

bool holds_matrix(const mixers::Traits& t, Form form) {
  return form == Form::kExplicit || t.fast_cost == t.explicit_cost;
}

bool worth_trying(const mixers::Traits& t, Form form, int64_t L, const LengthFigures* shorter) {
  if (holds_matrix(t, form) && kShape.H * L * L > kMostElements) return false;
  if (!shorter) return true;
  const std::optional<FormFigures>& before = form == Form::kExplicit ? shorter->plain : shorter->fast;
  if (!before) return false;
  const double times = static_cast<double>(L) / static_cast<double>(shorter->L), most = times * times;
  return most * before->both_ms <= kMostMs &&
         (form == Form::kFast || most * static_cast<double>(before->peak_bytes) <= kMostBytes);
}

LengthFigures measure(const mixers::MixerRow& row, mixers::laws::SourceKind source, int64_t L, MathMode mode,
                      const LengthFigures* shorter, const Harness& harness) {
  LengthFigures figures{L, {}, {}};
  const mixers::Traits traits = row.make(kShape, {.max_len = 1})->traits();
  std::vector<Form> forms;
  for (const Form form : {Form::kExplicit, Form::kFast})
    if (worth_trying(traits, form, L, shorter)) forms.push_back(form);
  if (forms.empty()) return figures;
  const MixerWork work(row, source, L, mode, harness.device);
  std::vector<std::function<void()>> calls;
  for (const Form form : forms) {
    calls.push_back([&work, form] { work.forward_only(form); });
    calls.push_back([&work, form] { work.forward_backward(form); });
  }
  const std::vector<double> ms = harness.time(calls);
  for (size_t i = 0; i < forms.size(); ++i) {
    const Form form = forms[i];
    const int64_t peak = harness.peak_bytes([&work, form] { work.forward_backward(form); });
    (form == Form::kFast ? figures.fast : figures.plain) = FormFigures{ms[2 * i], ms[2 * i + 1], peak};
  }
  return figures;
}

void print_json(const mixers::MixerRow& row, mixers::laws::SourceKind source, const LengthFigures& f) {
  for (const auto& [form, figures] : {std::pair{"explicit", &f.plain}, std::pair{"fast", &f.fast}})
    if (*figures)
      JsonLine()
          .put("mixer", row.name)
          .put("coefficients", to_string(source))
          .put("form", form)
          .put("L", f.L)
          .put("forward_ms", (*figures)->forward_ms)
          .put("forward_backward_ms", (*figures)->both_ms)
          .put("peak_bytes", (*figures)->peak_bytes)
          .print();
}

std::vector<std::string> cells(const LengthFigures& f) {
  const auto number = [](const std::optional<FormFigures>& x, auto member) {
    return x ? short_number(static_cast<double>((*x).*member)) : "-";
  };
  const auto ratio = [&](auto member) {
    return f.plain && f.fast ? short_number((*f.plain).*member / (*f.fast).*member) : std::string("-");
  };
  const auto mib = [](const std::optional<FormFigures>& x) {
    return x ? short_number(static_cast<double>(x->peak_bytes) / (1 << 20)) : "-";
  };
  return {std::to_string(f.L),
          number(f.plain, &FormFigures::forward_ms),
          number(f.fast, &FormFigures::forward_ms),
          ratio(&FormFigures::forward_ms),
          number(f.plain, &FormFigures::both_ms),
          number(f.fast, &FormFigures::both_ms),
          ratio(&FormFigures::both_ms),
          mib(f.plain),
          mib(f.fast)};
}

void print_growth(const char* name, const std::optional<Growth>& g) {
  if (g)
    print_out("  {}: time ~ L^{:.2f}, time(4 L) / time(L) = {:.2f} between L = {} and {}\n", name, g->exponent,
              std::pow(4, g->exponent), g->from, g->to);
}

void print_summary(const std::vector<LengthFigures>& all) {
  print_growth("explicit", growth(all, &LengthFigures::plain));
  print_growth("fast", growth(all, &LengthFigures::fast));
  if (std::ranges::none_of(all, [](const LengthFigures& f) { return f.plain && f.fast; })) return;
  const std::optional<int64_t> from = crossover(all);
  print_out("  fast is faster {}\n", from ? text("from L = ", *from) : "at none of these lengths");
}

const Table& table() {
  static const Table columns({{"L", 8},
                              {"explicit", 10},
                              {"fast ms", 9},
                              {"ratio", 7},
                              {"expl. +b", 10},
                              {"fast +b", 9},
                              {"ratio", 7},
                              {"expl. MiB", 11},
                              {"fast MiB", 10}});
  return columns;
}

/// Prints as it goes.
MixerFigures measure_all(const mixers::MixerRow& row, mixers::laws::SourceKind source,
                         const std::vector<int64_t>& lengths, MathMode mode, bool json, const Harness& harness) {
  MixerFigures figures{row.name, std::string(to_string(source)), {}};
  if (!json) {
    print_out("\n{}, {} coefficients\n", row.name, to_string(source));
    table().head();
  }
  for (const int64_t L : lengths) {
    const LengthFigures* shorter = figures.lengths.empty() ? nullptr : &figures.lengths.back();
    const LengthFigures found = measure(row, source, L, mode, shorter, harness);
    json ? print_json(row, source, found) : table().row(cells(found));
    figures.lengths.push_back(found);
  }
  if (!json) print_summary(figures.lengths);
  return figures;
}

}  // namespace

void bench_mixers(const BenchOptions& options, const Harness& harness) {
  const MathMode mode = options.global.mode_or(MathMode::kF32);
  std::vector<int64_t> lengths = options.lengths;
  if (lengths.empty()) lengths = {64, 256, 1024, 4096, 16384};
  std::ranges::sort(lengths);
  std::optional<AtomicFile> page;
  if (!options.html.empty()) page.emplace(options.html);
  for (const std::string& name : options.mixers) mixers::find_mixer(name);
  if (!options.global.json)
    print_out(
        "{}, one sequence, 4 heads of 64, state and qk_dim 16; -: not tried, as it would take more than {:g} s, {:g} "
        "GB "
        "or {} elements of M\n",
        to_string(mode), kMostMs / 1e3, kMostBytes / 1e9, kMostElements);
  std::vector<MixerFigures> all;
  for (const mixers::MixerRow& row : mixers::registry()) {
    if (!options.mixers.empty() && std::ranges::find(options.mixers, row.name) == options.mixers.end()) continue;
    const bool streams = !row.make(kShape, {.max_len = 1})->streams().empty();
    for (const mixers::laws::SourceKind source :
         {mixers::laws::SourceKind::kProjected, mixers::laws::SourceKind::kTable})
      if (streams || source == mixers::laws::SourceKind::kProjected)
        all.push_back(measure_all(row, source, lengths, mode, options.global.json, harness));
  }
  if (!page) return;
  const std::string html =
      mixer_page(all, text(version_text(), " on ", device_name(harness.device), ", ", to_string(mode)));
  page->write(html.data(), html.size());
  page->commit();
}

}  // namespace matmix::experiments
