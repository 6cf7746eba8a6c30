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
  CHECK(read("one\r\n\r\n \t\n two \xff\nthree") == Paragraphs{"one", " two \xff", "three"});
  CHECK(read("\xef\xbb\xbfone") == Paragraphs{"one"});
  CHECK(read(std::string_view("a\0b\n", 4)) == Paragraphs{std::string("a\0b", 3)});
}

TEST_CASE("a text without paragraphs is refused") {
  const TempDir folder;
  const std::filesystem::path path = folder.write("blank", "\n  \r\n");
  const std::string message = "read_text: " + path.native() + " must hold at least one line that is not blank";
  CHECK_THROWS_WITH_AS(read_text(path), message.c_str(), Error);
  CHECK_THROWS_AS(read_text(folder / "absent"), Error);
}
