#include "experiments/output/print.h"

#include <doctest/doctest.h>

using namespace matmix::experiments;

TEST_CASE("what steers a terminal is shown, not sent") {
  CHECK(visible("plain, \xc3\xa9 \xe4\xb8\xad\n\ttext") == "plain, \xc3\xa9 \xe4\xb8\xad\n\ttext");
  CHECK(visible("\x1b]0;owned\x07") == "\\x1b]0;owned\\x07");
  CHECK(visible("\r\b\x7f") == "\\x0d\\x08\\x7f");
  CHECK(visible(std::string_view("\0x", 2)) == "\\x00x");
  CHECK(visible("\xc2\x9b"
                "31m") == "\\x9b31m");  // CSI in one character
  CHECK(visible("\xe2\x80\xae"
                "gpj.exe") == "\\u202egpj.exe");  // from right to left
  CHECK(visible("\xe2\x80\xa8") == "\\u2028");
  CHECK(visible("\xff\xc3") == "\\xff\\xc3");
  CHECK(visible("\xef\xbf\xbd") == "\xef\xbf\xbd");
  CHECK(visible_in_line("a\n\tb\x1b") == "a\\x0a\\x09b\\x1b");
}
