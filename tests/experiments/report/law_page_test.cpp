#include "experiments/report/law_page.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace matmix;
using namespace matmix::experiments;
using namespace matmix::mixers::laws;

namespace {

LawResult result(const std::string& mixer, const std::string& law, DType dtype, double error, double tolerance) {
  return {mixer, SourceKind::kTable, dtype, kCpu, law, error, tolerance, error <= tolerance, "L=3 & Q<8, \"full\""};
}

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

/// Error unless every element that is opened is closed, in order; returns how many there were.
int elements(const std::string& html) {
  std::vector<std::string> open;
  int all = 0;
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const std::string tag = html.substr(at + 1, html.find_first_of("> \n", at) - at - 1);
    if (tag == "!DOCTYPE" || tag == "meta" || tag == "br") continue;
    if (tag[0] == '/') {
      REQUIRE(!open.empty());
      REQUIRE(open.back() == tag.substr(1));
      open.pop_back();
    } else {
      open.push_back(tag);
      ++all;
    }
  }
  REQUIRE(open.empty());
  return all;
}

const std::vector<LawResult> kResults{
    result("a", "value", DType::F64, 1e-16, 1e-14), result("a", "value", DType::F32, 8e-7, 1e-6),
    result("a", "causal", DType::F64, 0, 0), result("b<c>", "value", DType::F64, NAN, 1e-14)};

}  // namespace

TEST_CASE("the page is well formed, whole and needs nothing else") {
  const std::string html = law_page(kResults, "matmix <1>");
  CHECK(elements(html) > 40);
  CHECK(count(html, "<table>") == 2);
  CHECK(count(html, "<dt>") == static_cast<int>(all_laws().size()));
  CHECK(html.find("matmix &lt;1&gt;. 4 laws measured, 1 failed.") != std::string::npos);
  for (const char* outside : {"http", "src=", "href=", "url(", "@import", "<script"}) CHECK(count(html, outside) == 0);
}

TEST_CASE("a cell a result: what was measured, what is allowed, how it went and where") {
  const std::string html = law_page(kResults, "");
  const std::string where = "title=\"L=3 &amp; Q&lt;8, &quot;full&quot;\">";
  CHECK(count(html, "<td class=\"pass\" " + where + "1.0e-16 / 1e-14</td>") == 1);
  CHECK(count(html, "<td class=\"near\" " + where + "8.0e-07 / 1e-06</td>") == 1);
  CHECK(count(html, "<td class=\"pass\" " + where + "holds</td>") == 1);
  CHECK(count(html, "<td class=\"none\">-</td>") == 1);
  CHECK(count(html, "<td class=\"fail\" " + where + "nan / 1e-14</td>") == 1);
  CHECK(count(html, "<th>table<br>F32, CPU</th>") == 1);
  CHECK(html.find("<h2>b&lt;c&gt;</h2>") != std::string::npos);
}
