#include "experiments/runs/run_page.h"

#include <fmt/format.h>

#include "experiments/output/table.h"
#include "experiments/report/html.h"
#include "experiments/report/line_chart.h"

namespace matmix::experiments {
namespace {

Curve curve_of(const std::string& name, const std::vector<LossPoint>& points, size_t colour, bool dashed) {
  Curve curve{.name = name, .points = {}, .dashed = dashed, .colour = colour};
  for (const LossPoint& p : points) curve.points.emplace_back(static_cast<double>(p.step), p.loss);
  return curve;
}

std::string loss_chart(const std::vector<RunSummary>& runs) {
  LineChart chart{"Loss while training, and held out (dashed)", "step", "nats a target", {}};
  for (size_t i = 0; i < runs.size(); ++i) {
    chart.curves.push_back(curve_of(runs[i].config.name, runs[i].training, i, false));
    chart.curves.push_back(curve_of("", runs[i].heldout, i, true));
  }
  return to_svg(chart);
}

/// A row a model and blank.
std::string guesses_table(const Reading& reading) {
  std::vector<std::vector<std::string>> rows{{"model", "[MASK]", "likeliest first"}};
  for (const Reading::Model& model : reading.models)
    for (size_t k = 0; k < model.blanks.size(); ++k) {
      std::vector<std::string> row{model.name, std::to_string(k + 1)};
      for (const Guess& guess : model.blanks[k].guesses) row.push_back(to_string(guess));
      rows.push_back(row);
    }
  if (rows.size() == 1) return "";
  rows.front().resize(rows.back().size());
  return html_table(rows);
}

std::string reading_html(const Reading& reading) {
  std::string html = fmt::format("<h2>&ldquo;{}&rdquo;</h2>\n", escaped(reading.text)) + guesses_table(reading);
  for (const Reading::Model& model : reading.models)
    html += to_html(model.matrices, fmt::format("<h3>{}</h3>\n", escaped(model.name)));
  return html;
}

}  // namespace

std::string run_page(const std::vector<RunSummary>& runs, const std::vector<Reading>& readings, const std::string& laws,
                     const std::string& made_by) {
  std::string html = fmt::format("<h1>Runs beside each other</h1>\n<p>{}</p>\n", escaped(made_by));
  html += html_table(comparison_table(runs));
  html += fmt::format("<p>The best guess that does not look at the row has a held-out loss of {} nats.</p>\n",
                      decimal(runs.front().context_free_loss, 4));
  html += loss_chart(runs);
  for (const Reading& reading : readings) html += reading_html(reading);
  if (!laws.empty()) html += "<h1>The laws of their mixers</h1>\n" + laws;
  return html_page("matmix: runs beside each other", html);
}

}  // namespace matmix::experiments
