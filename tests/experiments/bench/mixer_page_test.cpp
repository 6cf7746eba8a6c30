#include "experiments/bench/mixer_page.h"

#include <doctest/doctest.h>

using namespace matmix::experiments;

namespace {

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

FormFigures taking(double ms) { return {ms / 2, ms, 1 << 20}; }

/// Explicit ~ L^2 and not tried at last, fast ~ L.
const std::vector<LengthFigures> kLengths{
    {64, taking(1), taking(2)}, {128, taking(4), taking(4)}, {256, taking(16), taking(8)}, {512, {}, taking(16)}};

}  // namespace

TEST_CASE("growth is that between the two largest lengths of a form") {
  const auto plain = growth(kLengths, &LengthFigures::plain), fast = growth(kLengths, &LengthFigures::fast);
  REQUIRE(plain);
  REQUIRE(fast);
  CHECK(plain->exponent == doctest::Approx(2));
  CHECK(plain->from == 128);
  CHECK(plain->to == 256);
  CHECK(fast->exponent == doctest::Approx(1));
  CHECK(fast->to == 512);
  CHECK_FALSE(growth({kLengths.front()}, &LengthFigures::fast));
}

TEST_CASE("the crossover is where the fast form stops being slower, for good") {
  CHECK(crossover(kLengths) == 128);
  CHECK_FALSE(crossover({kLengths.front()}));
  std::vector<LengthFigures> late = kLengths;
  late[2].fast = taking(17);
  CHECK_FALSE(crossover(late));
}

TEST_CASE("the page plots every figure that there is, and needs nothing else") {
  const std::string html =
      mixer_page({{"a<b>", "projected", kLengths}, {"none", "table", {{64, {}, {}}}}}, "matmix <1>");
  CHECK(count(html, "<svg") == 4);
  CHECK(count(html, "</svg>") == 4);
  CHECK(count(html, "<circle") == 2 * 7);
  CHECK(count(html, "<polyline") == 4);
  CHECK(html.find("<h2>a&lt;b&gt;, projected coefficients</h2>") != std::string::npos);
  CHECK(html.find("matmix &lt;1&gt;") != std::string::npos);
  CHECK(
      html.find("explicit: time ~ L^2.00 between 128 and 256. fast: time ~ L^1.00 between 256 and 512. Fast is faster "
                "from L = 128 on.") != std::string::npos);
  CHECK(html.find("<title>fast, L = 512: 16.0 ms</title>") != std::string::npos);
  for (const char* outside : {"http", "src=", "href=", "url(", "@import", "<script", "nan", "inf"})
    CHECK(count(html, outside) == 0);
}

TEST_CASE("a page without any figure is one all the same") {
  CHECK(count(mixer_page({{"a", "table", {}}}, ""), "<svg") == 2);
  CHECK(count(mixer_page({}, ""), "<svg") == 0);
}
