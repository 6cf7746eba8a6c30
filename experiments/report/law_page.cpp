#include "experiments/report/law_page.h"

#include <fmt/core.h>
#include <algorithm>

#include "experiments/report/html.h"

namespace matmix::experiments {
namespace {

using namespace mixers::laws;

/// From this share of what is allowed on, a result is shown as near to failing.
constexpr double kNear = 0.5;

struct Column {
  SourceKind source;
  DType dtype;
  Device device;

  bool holds(const LawResult& r) const { return r.source == source && r.dtype == dtype && r.device == device; }
};

std::vector<Column> columns_of(const std::vector<LawResult>& results) {
  std::vector<Column> columns;
  for (const LawResult& r : results)
    if (std::ranges::none_of(columns, [&](const Column& c) { return c.holds(r); }))
      columns.push_back({r.source, r.dtype, r.device});
  return columns;
}

std::string html_cell(const LawResult* r) {
  if (!r) return "<td class=\"none\">-</td>";
  const char* kind = !r->pass ? "fail" : r->strain() >= kNear ? "near" : "pass";
  const std::string holds = r->pass ? "holds" : "broken";
  const std::string figure = r->tolerance > 0 ? fmt::format("{:.1e} / {:.0e}", r->error, r->tolerance) : holds;
  return fmt::format("<td class=\"{}\" title=\"{}\">{}</td>", kind, escaped(r->where), figure);
}

std::string table(const std::vector<LawResult>& results) {
  const std::vector<Column> columns = columns_of(results);
  std::string html = "<div class=\"scroll\"><table>\n<thead><tr><th>law</th>";
  for (const Column& c : columns)
    html += fmt::format("<th>{}<br>{}, {}</th>", to_string(c.source), to_string(c.dtype), to_string(c.device));
  html += "</tr></thead>\n<tbody>\n";
  for (const Law& law : all_laws()) {
    if (std::ranges::find(results, law.name, &LawResult::law) == results.end()) continue;
    html += fmt::format("<tr><th title=\"{}\">{}</th>", escaped(law.says), escaped(law.name));
    for (const Column& c : columns) {
      const auto found = std::ranges::find_if(results, [&](const auto& r) { return r.law == law.name && c.holds(r); });
      html += html_cell(found == results.end() ? nullptr : &*found);
    }
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table></div>\n";
}

std::string failures(const std::vector<LawResult>& results) {
  std::string html;
  for (const LawResult& r : results)
    if (!r.pass)
      html += fmt::format("<li>{}: {}, {} {} on {}: {:.3g} where {:.3g} is allowed, at {}</li>\n", escaped(r.mixer),
                          escaped(r.law), to_string(r.source), to_string(r.dtype), to_string(r.device), r.error,
                          r.tolerance, escaped(r.where));
  return html.empty() ? "" : "<ul>\n" + html + "</ul>\n";
}

std::string explanations() {
  std::string html = "<h2>The laws</h2>\n<dl>\n";
  for (const Law& law : all_laws())
    html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escaped(law.name), escaped(law.says));
  return html + "</dl>\n";
}

}  // namespace

std::string law_tables(const std::vector<LawResult>& results) {
  std::string html =
      "<p>In each cell the worst error and what is allowed; the case it belongs to shows under the pointer.</p>\n";
  html += failures(results);
  for (auto first = results.begin(); first != results.end();) {
    const auto last = std::find_if(first, results.end(), [&](const LawResult& r) { return r.mixer != first->mixer; });
    html += fmt::format("<h2>{}</h2>\n", escaped(first->mixer)) + table({first, last});
    first = last;
  }
  return html;
}

std::string law_page(const std::vector<LawResult>& results, const std::string& made_by) {
  const auto failed = std::ranges::count(results, false, &LawResult::pass);
  const std::string head = fmt::format("<h1>The laws of the mixers</h1>\n<p>{}. {} laws measured, {} failed.</p>\n",
                                       escaped(made_by), results.size(), failed);
  return html_page("matmix: the laws of the mixers", head + law_tables(results) + explanations());
}

}  // namespace matmix::experiments
