#include "data/text.h"

#include <doctest/doctest.h>

#include "tensor/error.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::data;
using matmix::testing::TempDir;

TEST_CASE("paragraphs of a text file") {
  const TempDir folder;
  const auto read = [&](std::string_view bytes) { return read_text(folder.write("text", bytes)); };
  using Paragraphs = std::vector<std::string>;
  CHECK(read("one\ntwo\n") == Paragraphs{"one", "two"});
  CHECK(read("one\r\n\r\n \t\n two \xc3\xa9\nthree") == Paragraphs{"one", " two \xc3\xa9", "three"});
  CHECK(read("one\rtwo\r\rthree") == Paragraphs{"one", "two", "three"});
  CHECK(read("one\rtwo\nthree") == Paragraphs{"one\rtwo", "three"});
  CHECK(read("\xef\xbb\xbfone") == Paragraphs{"one"});
  CHECK(read(std::string_view("a\0b\n", 4)) == Paragraphs{std::string("a\0b", 3)});
}

TEST_CASE("text that is not UTF-8 is refused with its line") {
  const TempDir folder;
  using namespace std::string_view_literals;
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"caf\xe9 na\xefve\n"sv, ":1: must be UTF-8, got the byte 0xe9"},
      {"one\ntwo\n\xc3\xa9 \xc3\n"sv, ":3: must be UTF-8, got the byte 0xc3"},
      {"a surrogate \xed\xa0\x80"sv, ":1: must be UTF-8, got the byte 0xed"},
      {"overlong \xc0\xaf"sv, ":1: must be UTF-8, got the byte 0xc0"},
      {"beyond \xf4\x90\x80\x80"sv, ":1: must be UTF-8, got the byte 0xf4"},
      {"\xff\xfe?\4"sv, ":1: must be UTF-8, got a byte order mark of UTF-16"},
      {"\xfe\xff\4?"sv, ":1: must be UTF-8, got a byte order mark of UTF-16"},
      {"\xff\xfe\0\0?\4\0\0"sv, ":1: must be UTF-8, got a byte order mark of UTF-32"}};
  for (const auto& [bytes, what] : cases) {
    const std::filesystem::path path = folder.write("text", bytes);
    CHECK_THROWS_WITH_AS(read_text(path), ("read_text: " + path.native() + std::string(what)).c_str(), Error);
    CHECK_THROWS_WITH_AS(checked_utf8(std::string(bytes), "reader", "x"), ("reader: x" + std::string(what)).c_str(),
                         Error);
  }
  CHECK(checked_utf8("\xef\xbb\xbfx\xef\xbf\xbd", "reader", "x") == "x\xef\xbf\xbd");
}

TEST_CASE("lines of a text, whatever ends them") {
  using Lines = std::vector<std::string_view>;
  CHECK(lines_of("a\n\nb") == Lines{"a", "", "b"});
  CHECK(lines_of("a\r\nb\r\n") == Lines{"a", "b"});
  CHECK(lines_of("a\r\rb\r") == Lines{"a", "", "b"});
  CHECK(lines_of("a\rb\nc\r") == Lines{"a\rb", "c"});
  CHECK(lines_of("\n") == Lines{""});
  CHECK(lines_of("").empty());
}

TEST_CASE("a text without paragraphs is refused") {
  const TempDir folder;
  const std::filesystem::path path = folder.write("blank", "\n  \r\n");
  const std::string message = "read_text: " + path.native() + " must hold at least one line that is not blank";
  CHECK_THROWS_WITH_AS(read_text(path), message.c_str(), Error);
  CHECK_THROWS_AS(read_text(folder / "absent"), Error);
}
