#include "experiments/output/json_line.h"

#include <doctest/doctest.h>

#include <cmath>

using matmix::experiments::JsonLine;

TEST_CASE("keys keep their order and every kind of value its own form") {
  const JsonLine line = JsonLine().put("z", 1).put("a", "text").put("yes", true).put("x", 0.1).put_null("none");
  CHECK(line.text() == R"({"z":1,"a":"text","yes":true,"x":0.1,"none":null})");
  CHECK(JsonLine().put("list", std::vector<double>{1, 0.5, NAN}).put("empty", std::vector<double>{}).text() ==
        R"({"list":[1.0,0.5,null],"empty":[]})");
  CHECK(JsonLine().text() == "{}");
}

TEST_CASE("numbers read back to what they were; those that JSON cannot say are null") {
  CHECK(JsonLine().put("x", 0.1 + 0.2).text() == R"({"x":0.30000000000000004})");
  CHECK(JsonLine().put("n", INT64_MAX).put("u", UINT64_MAX).text() ==
        R"({"n":9223372036854775807,"u":18446744073709551615})");
  CHECK(JsonLine().put("nan", NAN).put("inf", INFINITY).text() == R"({"nan":null,"inf":null})");
}

TEST_CASE("a line stays one line, whatever the text") {
  CHECK(JsonLine().put("k\"", "a\nb\t\"\\\x01").text() == "{\"k\\\"\":\"a\\nb\\t\\\"\\\\\\u0001\"}");
  CHECK(JsonLine().put("k", "\xff").text() == "{\"k\":\"\xef\xbf\xbd\"}");
}
