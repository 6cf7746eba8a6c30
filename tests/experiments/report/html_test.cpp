#include "experiments/report/html.h"

#include <doctest/doctest.h>

#include <cmath>

#include "experiments/report/line_chart.h"
#include "experiments/report/matrix_grid.h"
#include "experiments/report/matrix_svg.h"
#include "tensor/create.h"

using namespace matmix;
using namespace matmix::experiments;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("base64 of RFC 4648") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foob") == "Zm9vYg==");
  CHECK(base64(std::string_view("\xff\x00\xfe", 3)) == "/wD+");
}

TEST_CASE("words are text of the page, wherever they stand") {
  CHECK(escaped("a<b> & \"c\"") == "a&lt;b&gt; &amp; &quot;c&quot;");
  CHECK(escaped("\x1b[0m\xff \xc2\x9b \xe2\x80\xae") == "\\x1b[0m\\xff \\x9b \\u202e");
  CHECK(contains(html_page("<x>", "<p>body</p>"), "<title>&lt;x&gt;</title>"));
  CHECK(html_table({{"run", "a<b"}, {"x", "1"}}) ==
        "<div class=\"scroll\"><table>\n<thead><tr><th>run</th><th>a&lt;b</th></tr></thead>\n<tbody>\n"
        "<tr><th>x</th><td>1</td></tr>\n</tbody>\n</table></div>\n");
}

TEST_CASE("a page to embed brings no style of its own") {
  const std::string page = embeddable_page("<x>", "<p>part</p>");
  CHECK(page.starts_with("<!DOCTYPE html>"));
  CHECK(contains(page, "<title>&lt;x&gt;</title>\n</head>\n<body>\n<p>part</p></body>"));
}

TEST_CASE("a chart puts its points where its axes say, and leaves out what is not finite") {
  const LineChart chart{
      "t<t", "step", "nats", {{"run", {{0, 1}, {5, NAN}, {10, 3}}}, {"", {{0, 2}, {10, 2}}, true, 1}}};
  const std::string svg = to_svg(chart);
  CHECK(contains(svg, "points=\"60.0,315.0 560.0,30.0 \""));   // from corner to corner
  CHECK(contains(svg, "points=\"60.0,172.5 560.0,172.5 \""));  // half way up
  CHECK(contains(svg, "stroke-dasharray"));
  CHECK(contains(svg, "t&lt;t, nats"));
  CHECK(contains(svg, ">10</text>"));
  CHECK_FALSE(contains(svg, "nan"));
  CHECK(contains(to_svg({"none", "x", "y", {}}), "</svg>"));
  CHECK(contains(to_svg({"point", "x", "y", {{"p", {{1, 1}}}}}), "points=\"310.0,172.5 \""));
}

TEST_CASE("a grid holds every entry for the pointer, and heads that one layer lacks are left free") {
  const Tensor one = from_vector<double>({1, -2, 0, 4}, {1, 2, 2}), two = zeros({2, 2, 2}, DType::F64);
  const std::string html = to_html(MatrixGrid{"a<b", {"x", "\"y\""}, {one, two}}, "<h3>a&lt;b</h3>");
  CHECK(contains(html, "<h3>a&lt;b</h3>"));
  CHECK(contains(html, "data-tokens=\"{&quot;tokens&quot;:[&quot;x&quot;,&quot;\\&quot;y\\&quot;&quot;]}\""));
  CHECK(contains(html, "alt=\"layer 0, head 0\" data-values=\"P4AAwAAAAAAAQIAA\">"));  // 1, -2, 0, 4, three bytes each
  CHECK(contains(html, "alt=\"layer 1, head 1\" data-values=\"AAAAAAAAAAAAAAAA\">"));
  CHECK(contains(html, "<div></div>"));
}

TEST_CASE(
    "a grid of both forms tells their difference, ranks and singular values; forms are chosen only where there are "
    "two") {
  MatrixGrid grid{"m", {"a", "b"}, {from_vector<double>({1, 0, 0, -2}, {1, 2, 2})}};
  CHECK_FALSE(contains(to_html(grid, ""), "<select class=\"matmix-form\">"));
  grid.fast = {from_vector<double>({1.5, 0, 0, -2}, {1, 2, 2})};
  measure_heads(grid);
  const std::string html = to_html(grid, "");
  CHECK(contains(html, "<select class=\"matmix-form\">"));
  CHECK(contains(html, "data-difference=\"PwAAAAAAAAAAAAAA\""));  // 0.5
  CHECK(contains(html, "data-ranks=\"AQAAAQ==\""));               // 1 on the diagonal
  CHECK(contains(html, "data-spectrum=\"QAAAP4AA\""));            // 2, 1
  CHECK(contains(html, "data-tolerance=\"1e-11\""));
  grid.fast = {from_vector<double>({1.5, 0, 0, -2.5}, {1, 2, 2})};
  const auto name = [](const std::string& page) { return page.substr(page.find("data-matmix="), 30); };
  CHECK(name(to_html(grid, "")) != name(html));
}

TEST_CASE("an SVG file has a rectangle for each stretch of one colour, and no character that XML forbids") {
  const Tensor M = from_vector<double>({1, 1, 0, 0, -1, 0, 0, 0, 0}, {1, 3, 3});
  const std::string svg = to_svg(MatrixGrid{"a&b", {"\x01<", "\xc3", " "}, {M}});
  CHECK(svg.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns="));
  CHECK(contains(svg, "<title>a&amp;b</title>"));
  CHECK(contains(svg,
                 "<rect x=\"0\" y=\"0\" width=\"2\" height=\"1\" fill=\"#67001f\"/>\n"
                 "<rect x=\"1\" y=\"1\" width=\"1\" height=\"1\" fill=\"#053061\"/>\n</g>"));
  CHECK(contains(svg, ">\xef\xbf\xbd&lt;</text>"));
  CHECK(contains(svg, ">\xef\xbf\xbd</text>"));
  CHECK(contains(svg, ">\xe2\x90\xa3</text>"));
}
