#include "experiments/report/line_chart.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "experiments/report/html.h"

namespace matmix::experiments {
namespace {

constexpr double kWidth = 720, kHeight = 360, kLeft = 60, kRight = 160, kTop = 30, kBottom = 45;
/// Tableau's ten, which stay apart for most colour-blind readers.
constexpr std::array kColours = {"#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f",
                                 "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#bab0ac"};

bool finite(const std::pair<double, double>& p) { return std::isfinite(p.first) && std::isfinite(p.second); }

/// One axis: numbers [low, high] to pixels [from, to].
struct Axis {
  double low, high, from, to;

  double place(double x) const { return from + (x - low) / (high - low) * (to - from); }
  /// 1, 2 or 5 times a power of ten: about six of them fit.
  double step() const {
    const double raw = (high - low) / 6, power = std::pow(10, std::floor(std::log10(raw)));
    for (const double digit : {1.0, 2.0, 5.0})
      if (digit * power >= raw) return digit * power;
    return 10 * power;
  }
  /// f(number, pixel) for each tick.
  template <class F>
  void for_each_tick(F&& f) const {
    const double s = step();
    for (auto k = static_cast<int64_t>(std::ceil(low / s - 1e-9)); static_cast<double>(k) * s <= high + 1e-9 * s; ++k)
      f(static_cast<double>(k) * s, place(static_cast<double>(k) * s));
  }
};

Axis axis_of(const LineChart& chart, double std::pair<double, double>::*coordinate, double from, double to) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Curve& curve : chart.curves)
    for (const auto& p : curve.points)
      if (finite(p)) low = std::min(low, p.*coordinate), high = std::max(high, p.*coordinate);
  if (low > high) low = 0, high = 1;
  if (low == high) low -= 0.5, high += 0.5;
  return {low, high, from, to};
}

std::string drawn(const Curve& curve, const Axis& x, const Axis& y) {
  std::string points;
  for (const auto& p : curve.points)
    if (finite(p)) points += fmt::format("{:.1f},{:.1f} ", x.place(p.first), y.place(p.second));
  return fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\"{} points=\"{}\"></polyline>\n",
                     kColours[curve.colour % kColours.size()], curve.dashed ? " stroke-dasharray=\"5 3\"" : "", points);
}

std::string axes(const LineChart& chart, const Axis& x, const Axis& y) {
  std::string svg;
  x.for_each_tick([&](double value, double at) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:g}</text>\n", at, y.from + 18, value);
  });
  y.for_each_tick([&](double value, double at) {
    svg += fmt::format("<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#e4e4e4\"></line>\n", x.from,
                       x.to, at, at);
    svg += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:g}</text>\n", x.from - 6, at + 4, value);
  });
  svg += fmt::format("<text x=\"{}\" y=\"18\">{}</text>\n", x.from, escaped(chart.title + ", " + chart.y_label));
  return svg + fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", (x.from + x.to) / 2,
                           kHeight - 8, escaped(chart.x_label));
}

std::string legend(const LineChart& chart, double left) {
  std::string svg;
  double y = kTop + 8;
  for (const Curve& curve : chart.curves) {
    if (curve.name.empty()) continue;
    svg += drawn({"", {{0, 0}, {1, 0}}, curve.dashed, curve.colour}, {0, 1, left, left + 24}, {0, 1, y, y});
    svg += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", left + 30, y + 4, escaped(curve.name));
    y += 18;
  }
  return svg;
}

}  // namespace

std::string to_svg(const LineChart& chart) {
  const Axis x = axis_of(chart, &std::pair<double, double>::first, kLeft, kWidth - kRight),
             y = axis_of(chart, &std::pair<double, double>::second, kHeight - kBottom, kTop);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" width=\"{}\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n",
      kWidth, kHeight, kWidth);
  svg += axes(chart, x, y);
  for (const Curve& curve : chart.curves) svg += drawn(curve, x, y);
  return svg + legend(chart, kWidth - kRight + 12) + "</svg>\n";
}

}  // namespace matmix::experiments
