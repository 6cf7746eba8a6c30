#pragma once

#include <string>
#include <utility>
#include <vector>

namespace matmix::experiments {

/// A line of a chart. Points that are not finite are left out.
struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;
  bool dashed = false;
  size_t colour = 0;  ///< curves of one number share one
};

struct LineChart {
  std::string title, x_label, y_label;
  std::vector<Curve> curves;
};

/// An <svg> element with axes, ticks at round numbers, and a legend of the curves' names. Empty names are not in it.
std::string to_svg(const LineChart& chart);

}  // namespace matmix::experiments
