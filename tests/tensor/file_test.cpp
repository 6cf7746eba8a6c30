#include "tensor/file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tensor/error.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::testing;

TEST_CASE("what is written is read, whole, of any size") {
  const TempDir dir;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65536}, size_t{200001}}) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7);
    write_file_atomically(dir / "x", bytes);
    CHECK(read_file(dir / "x") == bytes);
  }
  CHECK_FALSE(std::filesystem::exists(dir / "x.tmp"));
}

TEST_CASE("a writer that does not commit leaves what was there") {
  const TempDir dir;
  write_file_atomically(dir / "x", "old");
  {
    AtomicFile file(dir / "x");
    file.write("new", 3);
    CHECK(read_file(dir / "x") == "old");
  }
  CHECK(read_file(dir / "x") == "old");
  CHECK_FALSE(std::filesystem::exists(dir / "x.tmp"));
}

TEST_CASE("the rest of a killed writer is overwritten") {
  const TempDir dir;
  write_file_atomically(dir / "x.tmp", "a long rest of a writer that was killed");
  write_file_atomically(dir / "x", "new");
  CHECK(read_file(dir / "x") == "new");
}

TEST_CASE("the system's refusals are passed on with the path") {
  const TempDir dir;
  const std::string missing = (dir / "no/x").string(), folder = (dir / "folder").string();
  CHECK_THROWS_WITH_AS(read_file(missing), ("file: cannot read '" + missing + "': No such file or directory").c_str(),
                       Error);
  CHECK_THROWS_WITH_AS(write_file_atomically(missing, "x"),
                       ("file: cannot write '" + missing + "': No such file or directory").c_str(), Error);
  std::filesystem::create_directory(folder);
  CHECK_THROWS_WITH_AS(read_file(folder), ("file: cannot read '" + folder + "': Is a directory").c_str(), Error);
  CHECK_THROWS_AS(write_file_atomically(folder, "x"), Error);
  CHECK_THROWS_AS(write_file_atomically("/dev/full/x", "x"), Error);
}
