#include "experiments/bench/mixer_page.h"

#include <fmt/core.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "experiments/bench/harness.h"
#include "experiments/output/table.h"
#include "experiments/report/assets/assets.h"
#include "experiments/report/html.h"

namespace matmix::experiments {
namespace {

constexpr double kPlotWidth = 480, kPlotHeight = 240, kPlotLeft = 52, kPlotRight = 470, kPlotTop = 18,
                 kPlotBottom = 212;

/// Logarithms of the least and the largest of the values that there are, by a base.
struct Extent {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void include(double log_of_value) {
    low = std::min(low, log_of_value);
    high = std::max(high, log_of_value);
  }
  /// Where x lies between a (low) and b (high).
  double place(double x, double a, double b) const {
    return high > low ? a + (b - a) * (x - low) / (high - low) : (a + b) / 2;
  }
};

/// What a chart is of: a number of a form's figures.
struct Measure {
  const char* title;
  const char* unit;
  double (*value)(const FormFigures&);
};
constexpr Measure kMeasures[] = {
    {"forward + backward", "ms", [](const FormFigures& f) { return f.both_ms; }},
    {"memory at the peak", "MiB", [](const FormFigures& f) { return static_cast<double>(f.peak_bytes) / (1 << 20); }}};

constexpr std::pair<const char*, FormOf> kForms[] = {{"explicit", &LengthFigures::plain},
                                                     {"fast", &LengthFigures::fast}};

/// A value's logarithm; what is 0 (the memory of a mixer that needs none) counts as the least that is shown.
double log_of(double value) { return std::log10(std::max(value, 1e-3)); }

/// Both axes of one measure: the same for all mixers.
struct Axes {
  Extent length, value;

  Axes(const std::vector<MixerFigures>& all, const Measure& measure) {
    for (const MixerFigures& m : all)
      for (const LengthFigures& f : m.lengths)
        for (const auto& [name, form] : kForms)
          if (f.*form) {
            length.include(std::log2(static_cast<double>(f.L)));
            value.include(log_of(measure.value(*(f.*form))));
          }
    value.low = std::floor(value.low);
    value.high = std::ceil(value.high);
  }
  double x(int64_t L) const { return length.place(std::log2(static_cast<double>(L)), kPlotLeft, kPlotRight); }
  double y(double log_value) const { return value.place(log_value, kPlotBottom, kPlotTop); }
};

std::string grid(const Axes& axes, const MixerFigures& m) {
  std::string svg;
  for (double decade = axes.value.low; decade <= axes.value.high; ++decade)
    svg += fmt::format(
        "<line class=\"tick\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/><text x=\"{}\" y=\"{:.1f}\" "
        "text-anchor=\"end\">{:g}</text>\n",
        kPlotLeft, kPlotRight, axes.y(decade), axes.y(decade), kPlotLeft - 6, axes.y(decade) + 4, std::pow(10, decade));
  for (const LengthFigures& f : m.lengths)
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", axes.x(f.L), kPlotBottom + 18,
                       f.L);
  return svg;
}

std::string line(const Axes& axes, const MixerFigures& m, const Measure& measure, const char* name, FormOf form) {
  std::string points, dots;
  for (const LengthFigures& f : m.lengths) {
    if (!(f.*form)) continue;
    const double value = measure.value(*(f.*form)), x = axes.x(f.L), y = axes.y(log_of(value));
    points += fmt::format("{:.1f},{:.1f} ", x, y);
    dots += fmt::format(
        "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"><title>{}, L = {}: {} {}</title></circle>\n", name, x,
        y, name, f.L, short_number(value), measure.unit);
  }
  return points.empty() ? "" : fmt::format("<polyline class=\"{}\" points=\"{}\"/>\n", name, points) + dots;
}

std::string chart(const std::vector<MixerFigures>& all, const MixerFigures& m, const Measure& measure) {
  const Axes axes(all, measure);
  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\">\n<text x=\"{}\" y=\"11\">{}, {}</text>\n",
                                kPlotWidth, kPlotHeight, kPlotLeft, measure.title, measure.unit);
  svg += grid(axes, m);
  for (const auto& [name, form] : kForms) svg += line(axes, m, measure, name, form);
  return svg + "</svg>\n";
}

std::string words(const MixerFigures& m) {
  std::string said;
  for (const auto& [name, form] : kForms)
    if (const auto g = growth(m.lengths, form))
      said += fmt::format("{}: time ~ L^{:.2f} between {} and {}. ", name, g->exponent, g->from, g->to);
  if (const auto at = crossover(m.lengths)) said += fmt::format("Fast is faster from L = {} on.", *at);
  return said;
}

}  // namespace

std::optional<Growth> growth(const std::vector<LengthFigures>& lengths, FormOf form) {
  std::vector<const LengthFigures*> present;
  for (const LengthFigures& f : lengths)
    if (f.*form) present.push_back(&f);
  if (present.size() < 2) return std::nullopt;
  const LengthFigures &a = *present[present.size() - 2], &b = *present.back();
  const double times = static_cast<double>(b.L) / static_cast<double>(a.L);
  return Growth{std::log((b.*form)->both_ms / (a.*form)->both_ms) / std::log(times), a.L, b.L};
}

std::optional<int64_t> crossover(const std::vector<LengthFigures>& lengths) {
  std::optional<int64_t> found;
  for (const LengthFigures& f : lengths) {
    if (!f.plain || !f.fast) continue;
    if (f.fast->both_ms > f.plain->both_ms)
      found.reset();
    else if (!found)
      found = f.L;
  }
  return found;
}

std::string mixer_page(const std::vector<MixerFigures>& all, const std::string& made_by) {
  std::string body = text("<style>", kPlotStyle, "</style>\n");
  body += fmt::format(
      "<h1>Time and memory of the mixers</h1>\n<p>{}. One sequence of L tokens; "
      "<b style=\"color:#b4532a\">explicit</b> and <b style=\"color:#2166ac\">fast</b>.</p>\n",
      escaped(made_by));
  for (const MixerFigures& m : all) {
    body += fmt::format("<h2>{}, {} coefficients</h2>\n<p>{}</p>\n<div class=\"pair\">\n", escaped(m.mixer),
                        escaped(m.coefficients), words(m));
    for (const Measure& measure : kMeasures) body += chart(all, m, measure);
    body += "</div>\n";
  }
  return html_page("matmix: time and memory of the mixers", body);
}

}  // namespace matmix::experiments
