#include "experiments/report/html.h"

#include <doctest/doctest.h>

#include <cmath>

#include "experiments/report/line_chart.h"
#include "experiments/report/matrix_grid.h"
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
  CHECK(contains(html_page("<x>", "<p>body</p>"), "<title>&lt;x&gt;</title>"));
  CHECK(html_table({{"run", "a<b"}, {"x", "1"}}) ==
        "<div class=\"scroll\"><table>\n<thead><tr><th>run</th><th>a&lt;b</th></tr></thead>\n<tbody>\n"
        "<tr><th>x</th><td>1</td></tr>\n</tbody>\n</table></div>\n");
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
