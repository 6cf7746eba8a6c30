#include "experiments/report/matrix_svg.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "data/unicode.h"
#include "experiments/report/heat_map.h"
#include "experiments/report/html.h"
#include "tensor/create.h"

namespace matmix::experiments {
namespace {

constexpr double kMapSize = 180, kMapGap = 16, kMapCaption = 18, kLargestLetter = 10;

/// Text of an XML file, which admits neither control characters nor bytes that are not UTF-8.
std::string xml_text(std::string_view x) {
  std::string safe;
  while (!x.empty()) {
    const data::Character c = data::first_character(x);
    const bool space = c.code == ' ' || c.code == '\t' || c.code == '\n' || c.code == '\r';
    data::append_utf8(safe, space ? 0x2423 : data::is_dropped(c.code) ? data::kReplacement : c.code);
    x.remove_prefix(static_cast<size_t>(c.bytes));
  }
  return escaped(safe);
}

std::string svg_text(double x, double y, const char* anchor, const std::string& words) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, words);
}

/// A rectangle for each stretch of one colour but white in a row; an entry is 1 x 1.
std::string cells_of(const HeatMap& map) {
  std::string svg;
  for (int64_t i = 0; i < map.rows(); ++i)
    for (int64_t j = 0, end = 0; j < map.columns(); j = end) {
      const Colour c = map.colour(i, j);
      for (end = j + 1; end < map.columns() && map.colour(i, end) == c;) ++end;
      if (c == Colour{255, 255, 255}) continue;
      svg += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"1\" fill=\"#{:02x}{:02x}{:02x}\"/>\n", j, i,
                         end - j, c.r, c.g, c.b);
    }
  return svg;
}

/// A map in a frame of this size, its left upper corner at x, y.
std::string framed(const HeatMap& map, double x, double y, double width, double height) {
  return fmt::format("<g transform=\"translate({:.2f} {:.2f}) scale({:.4f} {:.4f})\">\n{}</g>\n", x, y,
                     width / static_cast<double>(map.columns()), height / static_cast<double>(map.rows()),
                     cells_of(map)) +
         fmt::format(
             "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"none\" stroke=\"#888\"/>\n", x,
             y, width, height);
}

/// From the largest entry down to minus it, in the steps of HeatMap's colours.
std::string colour_bar(double x, double y) {
  constexpr int64_t kSteps = 101;
  std::vector<double> values;
  for (int64_t k = 0; k < kSteps; ++k) {
    const double t = 1 - 2 * static_cast<double>(k) / (kSteps - 1);
    values.push_back(std::copysign(std::expm1(std::abs(t) * std::log1p(1e3)) / 1e3, t));
  }
  std::string svg = framed(HeatMap(from_vector(values, {kSteps, 1}), MapKind::kSigned), x, y, 12, kMapSize);
  for (const auto& [value, words] : {std::pair{1.0, "1"},
                                     {0.1, "0.1"},
                                     {0.01, "0.01"},
                                     {0.0, "0"},
                                     {-0.01, "-0.01"},
                                     {-0.1, "-0.1"},
                                     {-1.0, "-1"}}) {
    const double t = std::copysign(std::log1p(1e3 * std::abs(value)) / std::log1p(1e3), value);
    svg += svg_text(x + 17, y + (1 - t) / 2 * kMapSize + 4, "start", words);
  }
  return svg + svg_text(x, y - 5, "start", "of the head's largest");
}

/// Tokens left of the grid's rows and below its columns, where there is room for letters.
class AxisTokens {
 public:
  explicit AxisTokens(const MatrixGrid& grid)
      : pitch_(kMapSize / static_cast<double>(std::max<size_t>(grid.tokens.size(), 1))) {
    if (pitch_ < 5) return;
    for (const std::string& token : grid.tokens) words_.push_back(xml_text(token));
    size_t longest = 0;
    for (const std::string& token : grid.tokens) longest = std::max(longest, token.size());
    width_ = 8 + 0.62 * letter() * static_cast<double>(longest);
  }
  double width() const { return width_; }
  std::string beside(double x, double y) const {
    return lines([&](double at, const std::string& word) { return svg_text(x - 4, y + at, "end", word); });
  }
  std::string below(double x, double y) const {
    return lines([&](double at, const std::string& word) {
      return fmt::format("<text transform=\"translate({:.1f} {:.1f}) rotate(-90)\" text-anchor=\"end\">{}</text>\n",
                         x + at, y + 4, word);
    });
  }

 private:
  double letter() const { return std::min(kLargestLetter, pitch_); }
  template <class F>
  std::string lines(F&& f) const {
    std::string svg = fmt::format("<g font-size=\"{:.1f}\" font-family=\"monospace\">\n", letter());
    for (size_t k = 0; k < words_.size(); ++k)
      svg += f((static_cast<double>(k) + 0.5) * pitch_ + 0.35 * letter(), words_[k]);
    return svg + "</g>\n";
  }

  double pitch_, width_ = 8;
  std::vector<std::string> words_;
};

}  // namespace

std::string to_svg(const MatrixGrid& grid) {
  const AxisTokens labels(grid);
  const double step = kMapSize + kMapGap, left = labels.width() + kMapGap, top = 30 + kMapCaption;
  const double right = left + step * static_cast<double>(grid.heads()),
               bottom = top + (step + kMapCaption) * static_cast<double>(grid.layers.size()) - kMapGap - kMapCaption;
  std::string body = fmt::format("<title>{0}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{1}",
                                 xml_text(grid.name), svg_text(left, 18, "start", xml_text(grid.name)));
  for (size_t layer = 0; layer < grid.layers.size(); ++layer) {
    const double y = top + (step + kMapCaption) * static_cast<double>(layer);
    body += labels.beside(left, y);
    for (int64_t head = 0; head < grid.layers[layer].dim(0); ++head) {
      const double x = left + step * static_cast<double>(head);
      const HeatMap map(grid.layers[layer].select(0, head), MapKind::kSigned);
      body += svg_text(x, y - 5, "start", fmt::format("layer {}, head {}, largest {:.3g}", layer, head, map.largest()));
      body += framed(map, x, y, kMapSize, kMapSize);
      if (layer + 1 == grid.layers.size()) body += labels.below(x, bottom);
    }
  }
  body += colour_bar(right, top);
  return fmt::format(
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" "
             "height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"sans-serif\" font-size=\"11\" "
             "shape-rendering=\"crispEdges\">\n",
             right + 120, bottom + labels.width() + kMapGap) +
         body + "</svg>\n";
}

}  // namespace matmix::experiments
