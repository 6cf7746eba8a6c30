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
#include "experiments/json_line.h"
#include "experiments/laws/subject.h"

namespace matmix::experiments {
namespace {

using mixers::Streams;

/// An explicit form with more matrix elements a call than this is not tried.
constexpr int64_t kMostElements = int64_t{1} << 27;

/// A mixer with streams for one sequence of L tokens; nothing is said of values but that they are there.
class MixerWork {
 public:
  MixerWork(const mixers::MixerRow& row, SourceKind source, int64_t L, MathMode mode, Device device)
      : shape_{.D = 256, .H = 4, .P = 64},
        mixer_(row.make(shape_, {.max_len = L})),
        store_(*mixer_, device, mode, 0),
        runs_(Runs::full(1, L)),
        v_(random_values({1, L, shape_.H, shape_.P}, activation_dtype(mode), device)),
        dy_(random_values({1, L, shape_.H * mixer_->traits().copies, shape_.P}, v_.dtype(), device)) {
    for (const mixers::Stream& s : mixer_->streams())
      streams_.push_back({s.name, random_values(Shape{1, L} + s.per_token, v_.dtype(), device, 0.3),
                          source == SourceKind::kProjected});
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

  bool fits(Form form) const { return form == Form::kFast || shape_.H * runs_.L() * runs_.L() <= kMostElements; }

 private:
  mixers::BlockShape shape_;
  std::unique_ptr<mixers::Mixer> mixer_;
  nn::ParameterStore store_;
  Runs runs_;
  Tensor v_, dy_;
  std::vector<NamedTensor> streams_;
};

struct FormFigures {
  double forward_ms = 0, both_ms = 0;
  int64_t peak_bytes = 0;
};
struct LengthFigures {
  int64_t L = 0;
  std::optional<FormFigures> plain, fast;
};

LengthFigures measure(const MixerWork& work, int64_t L, const Harness& harness) {
  LengthFigures figures{L, {}, {}};
  std::vector<std::function<void()>> calls;
  std::vector<std::optional<FormFigures>*> targets;
  for (const Form form : {Form::kExplicit, Form::kFast}) {
    if (!work.fits(form)) continue;
    targets.push_back(&(form == Form::kFast ? figures.fast : figures.plain));
    *targets.back() = FormFigures{.peak_bytes = harness.peak_bytes([&] { work.forward_backward(form); })};
    calls.push_back([&work, form] { work.forward_only(form); });
    calls.push_back([&work, form] { work.forward_backward(form); });
  }
  const std::vector<double> ms = harness.time(calls);
  for (size_t i = 0; i < targets.size(); ++i) {
    (*targets[i])->forward_ms = ms[2 * i];
    (*targets[i])->both_ms = ms[2 * i + 1];
  }
  return figures;
}

void print_json(const mixers::MixerRow& row, SourceKind source, const LengthFigures& f) {
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
    return f.plain ? short_number((*f.plain).*member / (*f.fast).*member) : std::string("-");
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

/// The exponent p of time ~ L^p between the two largest lengths of one form, and time(4 L) / time(L) by it.
void print_growth(const std::vector<LengthFigures>& all, const char* name,
                  const std::optional<FormFigures> LengthFigures::*form) {
  std::vector<const LengthFigures*> present;
  for (const LengthFigures& f : all)
    if (f.*form) present.push_back(&f);
  if (present.size() < 2) return;
  const LengthFigures &a = *present[present.size() - 2], &b = *present.back();
  const double exponent =
      std::log((b.*form)->both_ms / (a.*form)->both_ms) / std::log(static_cast<double>(b.L) / static_cast<double>(a.L));
  fmt::print("  {}: time ~ L^{:.2f}, time(4 L) / time(L) = {:.2f} between L = {} and {}\n", name, exponent,
             std::pow(4, exponent), a.L, b.L);
}

void print_summary(const std::vector<LengthFigures>& all) {
  print_growth(all, "explicit", &LengthFigures::plain);
  print_growth(all, "fast", &LengthFigures::fast);
  // The smallest length from which on the fast form is never slower.
  std::optional<int64_t> crossover;
  for (const LengthFigures& f : all) {
    if (!f.plain) continue;
    if (f.fast->both_ms > f.plain->both_ms) crossover.reset();
    if (f.fast->both_ms <= f.plain->both_ms && !crossover) crossover = f.L;
  }
  fmt::print("  fast is faster {}\n", crossover ? text("from L = ", *crossover) : "at none of these lengths");
}

}  // namespace

void bench_mixers(const BenchOptions& options, const Harness& harness) {
  const MathMode mode = options.global.mode_or(MathMode::kF32);
  std::vector<int64_t> lengths = options.lengths;
  if (lengths.empty()) lengths = {64, 256, 1024, 4096, 16384};
  std::ranges::sort(lengths);
  if (!options.global.json) fmt::print("{}, one sequence, 4 heads of 64, state 16\n", to_string(mode));
  const Table table({{"L", 8},
                     {"explicit", 10},
                     {"fast ms", 9},
                     {"ratio", 7},
                     {"expl. +b", 10},
                     {"fast +b", 9},
                     {"ratio", 7},
                     {"expl. MiB", 11},
                     {"fast MiB", 10}});
  for (const mixers::MixerRow& row : mixers::registry()) {
    if (!options.mixers.empty() && std::ranges::find(options.mixers, row.name) == options.mixers.end()) continue;
    for (const SourceKind source : {SourceKind::kProjected, SourceKind::kTable}) {
      if (!options.global.json) {
        fmt::print("\n{}, {} coefficients\n", row.name, to_string(source));
        table.head();
      }
      std::vector<LengthFigures> all;
      for (const int64_t L : lengths) {
        all.push_back(measure(MixerWork(row, source, L, mode, harness.device), L, harness));
        if (options.global.json)
          print_json(row, source, all.back());
        else
          table.row(cells(all.back()));
      }
      if (!options.global.json) print_summary(all);
    }
  }
}

}  // namespace matmix::experiments
